"""A model small enough for a CPU core, written to a folder: configuration and tokenizer, no weights and no hub.

python -m runtime.local.model FOLDER

The engine draws random weights (``--load-format dummy``): how long a step takes does not depend on them. Every token
is a word of its own, so that a streamed answer shows exactly as many words as tokens.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

VOCABULARY = 320
MAX_TOKENS = 1280
"""Of prompt and answer; vLLM starts only where the KV cache has room for as many."""

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": VOCABULARY,
    "hidden_size": 128,
    "intermediate_size": 384,
    "num_hidden_layers": 24,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": MAX_TOKENS,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "tie_word_embeddings": False,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "torch_dtype": "bfloat16",
}


CHAT = "{% for message in messages %}{{ message['content'] }} {% endfor %}"
"""Every message by itself; the model says nothing that makes sense anyway."""


def write(folder: Path) -> None:
    """Put the model into an existing folder."""
    words = {f"w{i}": i for i in range(VOCABULARY)}
    tokenizer = {
        "version": "1.0",
        "added_tokens": [],
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "model": {"type": "WordLevel", "vocab": words, "unk_token": "w0"},
    }
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": MAX_TOKENS, "chat_template": CHAT}
    for name, content in (
        ("config.json", CONFIG),
        ("tokenizer.json", tokenizer),
        ("tokenizer_config.json", settings),
    ):
        (folder / name).write_text(json.dumps(content))


def main(arguments: Sequence[str]) -> int:
    """Write it into the folder that is named, made where it is missing."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m runtime.local.model FOLDER\n")
        return 2
    folder = Path(arguments[0])
    folder.mkdir(parents=True, exist_ok=True)
    write(folder)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
