"""A real model file, written in a moment: the llama architecture, random weights, and only a to z to say."""

from pathlib import Path

import gguf
import numpy as np

TEMPLATE = "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}<assistant>"
BYTES = [f"<0x{byte:02X}>".encode() for byte in range(256)]
LETTERS = [bytes([letter]) for letter in b"abcdefghijklmnopqrstuvwxyz"]
TOKENS = [b"<unk>", b"<s>", b"</s>", *BYTES, *LETTERS]
TYPES = [
    gguf.TokenType.UNKNOWN,
    *[gguf.TokenType.CONTROL] * 2,
    *[gguf.TokenType.BYTE] * 256,
    *[gguf.TokenType.NORMAL] * 26,
]


def write_tiny_gguf(file: Path, *, width: int = 32, layers: int = 1) -> Path:
    """A model that never stops by itself; `width` (a multiple of 8) and `layers` say how slow it is."""
    writer = gguf.GGUFWriter(file, "llama")
    _describe(writer, width, layers)
    _add_weights(writer, width, layers)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def _describe(writer: gguf.GGUFWriter, width: int, layers: int) -> None:
    writer.add_name("tiny")
    writer.add_context_length(8192)
    writer.add_embedding_length(width)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(2 * width)
    writer.add_head_count(4)
    writer.add_head_count_kv(4)
    writer.add_rope_dimension_count(width // 4)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(TOKENS))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(TOKENS)
    writer.add_token_scores([0.0] * len(TOKENS))
    writer.add_token_types(TYPES)
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_chat_template(TEMPLATE)


def _add_weights(writer: gguf.GGUFWriter, width: int, layers: int) -> None:
    rng = np.random.default_rng(20_26)

    def weights(*size: int) -> np.ndarray:
        return rng.standard_normal(size).astype(np.float32) * np.float32(0.3)

    ones = np.ones(width, np.float32)
    # Only the letters ever have a score: the reply is valid text, and has no end token.
    output = np.zeros((len(TOKENS), width), np.float32)
    output[-len(LETTERS) :] = 10 * weights(len(LETTERS), width)
    writer.add_tensor("token_embd.weight", weights(len(TOKENS), width))
    writer.add_tensor("output_norm.weight", ones)
    writer.add_tensor("output.weight", output)
    for layer in range(layers):
        writer.add_tensor(f"blk.{layer}.attn_norm.weight", ones)
        writer.add_tensor(f"blk.{layer}.ffn_norm.weight", ones)
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            writer.add_tensor(f"blk.{layer}.{part}.weight", weights(width, width))
        writer.add_tensor(f"blk.{layer}.ffn_gate.weight", weights(2 * width, width))
        writer.add_tensor(f"blk.{layer}.ffn_up.weight", weights(2 * width, width))
        writer.add_tensor(f"blk.{layer}.ffn_down.weight", weights(width, 2 * width))
