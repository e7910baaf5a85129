#!/usr/bin/env bash
# `transformers serve`: a chat template that refuses the order of the messages gives 500 and plain text.
# One would guess 400 with the template's own words, as vLLM and llama.cpp answer: the messages are the client's, and the
# template says what is wrong with them ("Conversation roles must alternate").
# What happens: `500 Internal Server Error`, type text/plain, not a word of the cause; the same for a system message that
# the template refuses, for an empty list of messages and for `max_tokens` 0. A field that it does not know, on the other
# hand, is 422 with its name.
# Why it matters: 500 means "try again", so clients ask three times for what can never succeed, call the server down, and
# have nothing by which to send the messages in an order that would be taken.
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
named.chat_template = """{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate') }}{% endif %}{{ m.content }}\n{% endfor %}"""
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
system = [{"role": "system", "content": "Be kind."}]
cases = {
    "user": {"messages": said("hi")},
    "user, user": {"messages": said("hi") * 2},
    "system, user": {"messages": system + said("hi")},
    "no messages": {"messages": []},
    "max_tokens 0": {"messages": said("hi"), "max_tokens": 0},
    "unknown field": {"messages": said("hi"), "friendly": True},
}
found = {}
for name, body in cases.items():
    status, kind, text = get("/v1/chat/completions", {"max_tokens": 2, **body})
    found[name] = status
    print(f"{name:16} {status} {kind:26} {text[:60] if status != 200 else '(a reply)'}")
    if status == 500 and not (kind.startswith("text/plain") and text == "Internal Server Error"):
        found[name] = 0
same = found == {"user": 200, "unknown field": 422} | {name: 500 for name in list(cases)[1:-1]}
print("as described" if same else "CHANGED")
raise SystemExit(not same)
PYTHON
timeout 200 venv/bin/python look.py "$port" "$folder"
