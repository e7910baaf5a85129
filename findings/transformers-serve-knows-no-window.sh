#!/usr/bin/env bash
# `transformers serve`: a prompt four times as long as the model's window is answered, and so is a reply beyond it.
# One would guess what every other server of this kind does (llama.cpp, vLLM, TGI): the window, which stands in the
# model's config, is refused past its end with 400, a reply that reaches it ends with "length", and /v1/models or the
# refusal tells its size.
# What happens: 200, with text, for a prompt of more than 1,000 tokens at `max_position_embeddings` 256; a short prompt's
# reply goes on for 600 tokens; the list of models names no size.
# Why it matters: a client that learns the window from the first refusal never learns it here, and a conversation that
# outgrows it turns into nonsense without a sign.
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
long = get("/v1/chat/completions", {"messages": said("word " * 200), "max_tokens": 4})
usage = json.loads(long[2])["usage"] if long[0] == 200 else {}
print("a prompt beyond the window:", long[0], usage)
reply = get("/v1/chat/completions", {"messages": said("hi"), "max_tokens": 600})
beyond = json.loads(reply[2])["usage"] if reply[0] == 200 else {}
print("a reply beyond the window: ", reply[0], beyond)
listed = json.loads(get("/v1/models")[2])["data"][0]
print("listed:", {name: value for name, value in listed.items() if name != "id"})
same = long[0] == 200 and usage["prompt_tokens"] > 1000 and beyond.get("completion_tokens") == 600
same = same and not any("len" in name or "ctx" in name or "context" in name for name in listed)
print("as described" if same else "CHANGED")
raise SystemExit(not same)
PYTHON
timeout 200 venv/bin/python look.py "$port" "$folder"
