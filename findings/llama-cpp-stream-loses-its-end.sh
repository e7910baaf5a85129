#!/usr/bin/env bash
# llama.cpp's server (by the wheel xllamacpp): a streamed reply may end without its last words.
# One would guess that a reply is the same text whether it is streamed or not, and that what is held back while it might
# be the beginning of a stop string is sent once the reply ends without it.
# What happens: where the reply ends by `max_tokens` (or by the end of the window), what was held back is never sent. The
# stream says "ab", the same request unstreamed says "abcd"; usage counts four tokens in both. Where the model itself
# ends the reply, the rest is sent.
# Why it matters: a chat that sets stop strings and lets people go on with a cut reply goes on from a text that lacks up
# to a stop string's length of what the model said, and nothing tells it so.
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
import sys
import urllib.request

import gguf
import numpy as np
import xllamacpp

VOCABULARY = [b"<unk>", b"<s>", b"</s>", *(f"<0x{byte:02X}>".encode() for byte in range(256))]
WIDTH = 288
TYPES = [gguf.TokenType.UNKNOWN, *[gguf.TokenType.CONTROL] * 2, *[gguf.TokenType.BYTE] * 256]


def write_model(file: str, text: bytes, ends: bool) -> None:
    """A model of one layer that does nothing: it says `text`, then ends the reply or begins again."""
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
    writer.add_chat_template("{% for m in messages %}{{ m.content }}{% endfor %}")
    ones = np.ones(WIDTH, np.float32)
    ids = [3 + byte for byte in text]
    after = dict.fromkeys(range(len(VOCABULARY)), ids[0]) | dict(zip(ids, ids[1:])) | {ids[-1]: 2 if ends else ids[0]}
    output = np.zeros((len(VOCABULARY), WIDTH), np.float32)
    for before, following in after.items():
        output[following, before] = 30
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


def serve(ends: bool) -> str:
    write_model("model.gguf", b"abcd", ends)
    params = xllamacpp.CommonParams()
    params.model.path = "model.gguf"
    params.n_ctx = 512
    params.n_parallel = 1
    params.fit_params = False
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    servers.append(xllamacpp.Server(params))
    return servers[-1].listening_address


def ask(url: str, stream: bool) -> tuple[str, str, int]:
    """Text, reason of the end, tokens."""
    body = {"messages": [{"role": "user", "content": "x"}], "max_tokens": 4 if not url.endswith("#") else 9,
            "temperature": 0, "stop": ["cdx"], "stream": stream, "stream_options": {"include_usage": True}}  # fmt: skip
    request = urllib.request.Request(
        url.rstrip("#") + "/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        data = answer.read().decode()
    if not stream:
        whole = json.loads(data)
        choice = whole["choices"][0]
        return choice["message"]["content"], choice["finish_reason"], whole["usage"]["completion_tokens"]
    text, reason, tokens = "", "", 0
    for line in data.splitlines():
        if line.startswith("data: {"):
            chunk = json.loads(line[6:])
            for choice in chunk["choices"]:
                text += choice["delta"].get("content") or ""
                reason = choice["finish_reason"] or reason
            tokens = (chunk.get("usage") or {}).get("completion_tokens", tokens)
    return text, reason, tokens


servers: list[object] = []
said = os.fdopen(os.dup(1), "w")
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the library's log
os.dup2(1, 2)
print("xllamacpp", importlib.metadata.version("xllamacpp"), "- the model says abcd, the stop string is cdx", file=said)
cut, whole = serve(ends=False), serve(ends=True) + "#"
found = [ask(cut, True), ask(cut, False), ask(whole, True), ask(whole, False)]
for name, seen in zip(("max_tokens 4, streamed", "max_tokens 4, whole", "ends by itself, streamed", "ends by itself, whole"), found):
    print(f"{name:26} {seen}", file=said)
fine = [text for text, _, _ in found] == ["ab", "abcd", "abcd", "abcd"] and found[0][1:] == ("length", 4)
print("as described" if fine else "CHANGED", file=said, flush=True)
os._exit(0 if fine else 1)
PYTHON
timeout 120 venv/bin/python look.py
