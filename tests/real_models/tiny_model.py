"""A tiny model for `transformers serve` and vLLM: random weights, one token a byte, and only a to z to say.

    python tiny_model.py FOLDER [TEMPLATE_FILE]

Run by a Python that has transformers and torch.
"""

import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

CONTEXT_TOKENS = 4096
SPECIAL = ["<s>", "</s>", "<|system|>", "<|user|>", "<|assistant|>"]
TEMPLATE = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def main() -> None:
    folder = Path(sys.argv[1])
    template = Path(sys.argv[2]).read_text("utf-8") if len(sys.argv) > 2 else TEMPLATE
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    ids = {token: at for at, token in enumerate([*alphabet, *SPECIAL])}
    tokenizer = Tokenizer(models.BPE(vocab=ids, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    named = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", extra_special_tokens=SPECIAL[2:]
    )
    named.chat_template = template
    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=len(ids),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT_TOKENS,
        bos_token_id=ids["<s>"],
        eos_token_id=ids["</s>"],
        tie_word_embeddings=False,
    )
    model = LlamaForCausalLM(config)
    letters = [ids[letter] for letter in "abcdefghijklmnopqrstuvwxyz"]
    with torch.no_grad():
        model.lm_head.weight.mul_(0)
        model.lm_head.weight[letters] = torch.randn(len(letters), 64) * 3
    model.save_pretrained(folder)
    named.save_pretrained(folder)


if __name__ == "__main__":
    main()
