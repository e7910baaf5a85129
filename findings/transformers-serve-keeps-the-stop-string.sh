#!/usr/bin/env bash
# `transformers serve`: the stop string is part of the reply.
# One would guess what OpenAI's API promises ("The returned text will not contain the stop sequence") and vLLM, llama.cpp
# and Ollama do: the reply ends before the string, streamed or not.
# What happens: the reply ends with the stop string in it, and the reason is "stop", as for a reply that ended by itself;
# no field names the string.
# Why it matters: who stops at "\nUser:" or at an end mark of a model's own shows it to people, keeps it in the
# conversation, and sends it back in the next prompt, where the model learns to write it.
set -euo pipefail
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; wait; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
timeout 1800 venv/bin/pip --disable-pip-version-check --quiet install torch==2.13.0 'transformers[serving]==5.24.0' 2>pip.log || {
  tail -3 pip.log
  exit 2
}
export HF_HUB_OFFLINE=1 HF_HUB_DISABLE_TELEMETRY=1
cat >make.py <<'PYTHON'
"""A model of random weights, one token a byte, for prompts and replies of 256 tokens together."""

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

tokens = [*sorted(pre_tokenizers.ByteLevel.alphabet()), "<s>", "</s>"]
ids = {token: at for at, token in enumerate(tokens)}
tokenizer = Tokenizer(models.BPE(vocab=ids, merges=[]))
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tokenizer.decoder = decoders.ByteLevel()
named = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", model_max_length=256)
named.chat_template = """{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"""
torch.manual_seed(7)
model = LlamaForCausalLM(
    LlamaConfig(
        vocab_size=len(ids), hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=256, bos_token_id=ids["<s>"], eos_token_id=ids["</s>"],
        tie_word_embeddings=False,
    )
)
with torch.no_grad():  # it says nothing but letters, and never that it is done
    model.lm_head.weight.mul_(0)
    letters = [ids[letter] for letter in "abcdefgh"]
    model.lm_head.weight[letters] = 3 * torch.randn(8, 32)
model.save_pretrained("model")
named.save_pretrained("model")
PYTHON
timeout 200 venv/bin/python make.py >make.log 2>&1 || { tail -3 make.log; exit 2; }
port=$(venv/bin/python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
timeout 300 venv/bin/transformers serve "$folder/model" --host 127.0.0.1 --port "$port" >server.log 2>&1 &
server=$!
cat >look.py <<'PYTHON'
import importlib.metadata
import json
import sys
import time
import urllib.error
import urllib.request

base, folder = f"http://127.0.0.1:{sys.argv[1]}", sys.argv[2]


def get(path: str, body: dict[str, object] | None = None) -> tuple[int, str, str]:
    """Status, type and text of an answer."""
    data = None if body is None else json.dumps({"model": f"{folder}/model", **body}).encode()
    request = urllib.request.Request(base + path, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=100) as answer:
            return answer.status, answer.headers["content-type"], answer.read().decode()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.headers["content-type"], refusal.read().decode()


def said(*contents: str) -> list[dict[str, str]]:
    return [{"role": "assistant" if at % 2 else "user", "content": content} for at, content in enumerate(contents)]


for _ in range(600):
    try:
        get("/v1/models")
        break
    except OSError:
        time.sleep(0.2)
print("transformers", importlib.metadata.version("transformers"))
same = True
for stream in (False, True):
    free = get("/v1/chat/completions", {"messages": said("hi"), "max_tokens": 8, "temperature": 0, "seed": 1})
    text = json.loads(free[2])["choices"][0]["message"]["content"]
    stop = text[2:4]
    body = {"messages": said("hi"), "max_tokens": 8, "temperature": 0, "seed": 1, "stop": [stop], "stream": stream}
    answer = get("/v1/chat/completions", body)[2]
    if stream:
        chunks = [json.loads(line[6:]) for line in answer.splitlines() if line.startswith("data: {")]
        choices = [choice for chunk in chunks for choice in chunk["choices"]]
        cut = "".join(choice["delta"].get("content") or "" for choice in choices)
        reason = [choice["finish_reason"] for choice in choices if choice.get("finish_reason")][-1]
    else:
        choice = json.loads(answer)["choices"][0]
        cut, reason = choice["message"]["content"], choice["finish_reason"]
    print(f"streamed {stream}: without a stop {text!r}, with stop {stop!r}: {cut!r}, reason {reason!r}")
    same = same and cut.endswith(stop) and text.startswith(cut) and reason == "stop"
print("as described" if same else "CHANGED")
raise SystemExit(not same)
PYTHON
timeout 200 venv/bin/python look.py "$port" "$folder"
