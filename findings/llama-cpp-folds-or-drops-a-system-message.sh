#!/usr/bin/env bash
# llama.cpp's server (by the wheel xllamacpp) and a chat template that refuses a system message (as Gemma's do).
# One would guess that the request is refused with the template's words, as in vLLM.
# What happens depends on what stands behind the system message. A user message: 200, and the model reads the system text
# as the beginning of what the user said, one line feed between them. Nothing: 200, and the text is gone without a word,
# the prompt is the bare head of a reply. A second system message: refused, and so are two user messages in a row, both as
# "Unable to generate parser for this template", with the template's own words only at the end of a listing of its source.
# Why it matters: software that folds the system message itself where it is refused never learns that it should, its
# persona is said by the user; and one that looks for "parser" or "template" errors takes a wrong order for a broken model.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
timeout 300 venv/bin/pip --disable-pip-version-check --quiet install xllamacpp==2026.10.11549 gguf==0.19.0 2>pip.log || { tail -3 pip.log; exit 2; }
cat >look.py <<'PYTHON'
import importlib.metadata
import json
import os
import urllib.error
import urllib.request

import gguf
import numpy as np
import xllamacpp

VOCABULARY = [b"<unk>", b"<s>", b"</s>", *(f"<0x{byte:02X}>".encode() for byte in range(256))]
WIDTH = 288
TEMPLATE = """{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}\
{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must alternate') }}{% endif %}\
[{{ m.role }}]{{ m.content }}{% endfor %}[assistant]"""
TYPES = [gguf.TokenType.UNKNOWN, *[gguf.TokenType.CONTROL] * 2, *[gguf.TokenType.BYTE] * 256]


def write_model(file: str) -> None:
    """A model of one layer that does nothing: only its chat template is of interest."""
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_context_length(512)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(32)
    writer.add_head_count(4)
    writer.add_head_count_kv(4)
    writer.add_rope_dimension_count(WIDTH // 4)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(VOCABULARY))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(VOCABULARY)
    writer.add_token_scores([0.0] * len(VOCABULARY))
    writer.add_token_types(TYPES)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_chat_template(TEMPLATE)
    ones = np.ones(WIDTH, np.float32)
    output = np.zeros((len(VOCABULARY), WIDTH), np.float32)
    writer.add_tensor("token_embd.weight", np.eye(len(VOCABULARY), WIDTH, dtype=np.float32))
    writer.add_tensor("output_norm.weight", ones)
    writer.add_tensor("output.weight", output)
    writer.add_tensor("blk.0.attn_norm.weight", ones)
    writer.add_tensor("blk.0.ffn_norm.weight", ones)
    for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
        writer.add_tensor(f"blk.0.{part}.weight", np.zeros((WIDTH, WIDTH), np.float32))
    writer.add_tensor("blk.0.ffn_gate.weight", np.zeros((32, WIDTH), np.float32))
    writer.add_tensor("blk.0.ffn_up.weight", np.zeros((32, WIDTH), np.float32))
    writer.add_tensor("blk.0.ffn_down.weight", np.zeros((WIDTH, 32), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def prompt_of(*messages: tuple[str, str]) -> str:
    """The prompt that the server makes of the messages, or what it says instead."""
    body = {"messages": [{"role": role, "content": content} for role, content in messages]}
    request = urllib.request.Request(
        server.listening_address + "/apply-template", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return str(json.load(answer)["prompt"])
    except urllib.error.HTTPError as refusal:
        return f"{refusal.code} {json.load(refusal)['error']['message']}"


said = os.fdopen(os.dup(1), "w")
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the library's log
os.dup2(1, 2)
write_model("model.gguf")
params = xllamacpp.CommonParams()
params.model.path = "model.gguf"
params.n_ctx = 512
params.fit_params = False
params.hostnames = ["127.0.0.1"]
params.port = 0
server = xllamacpp.Server(params)
SYSTEM, USER = ("system", "BE KIND"), ("user", "hi")
print("xllamacpp", importlib.metadata.version("xllamacpp"), "- a template that refuses any system message", file=said)
found = {
    "system, user": prompt_of(SYSTEM, USER),
    "system alone": prompt_of(SYSTEM),
    "system, system, user": prompt_of(SYSTEM, SYSTEM, USER),
    "user, user": prompt_of(USER, USER),
}
for name, seen in found.items():
    print(f"{name:21} {' '.join(seen.split())[:300]}", file=said)
fine = found["system, user"] == "[user]BE KIND\nhi[assistant]" and found["system alone"] == "[assistant]"
for name, words in (("system, system, user", "System role not supported"), ("user, user", "Roles must alternate")):
    seen = found[name]
    fine = fine and seen.startswith("400 Unable to generate parser for this template.") and seen.endswith(words)
print("as described" if fine else "CHANGED", file=said, flush=True)
os._exit(0 if fine else 1)
PYTHON
timeout 120 venv/bin/python look.py
