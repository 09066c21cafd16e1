"""The tiny model: complete without a hub, and written by its own command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from runtime.local.model import MAX_TOKENS, VOCABULARY, main


def test_its_folder_has_what_an_engine_reads(tmp_path: Path) -> None:
    assert main([str(tmp_path / "new" / "model")]) == 0
    written = {file.name: json.loads(file.read_text()) for file in (tmp_path / "new" / "model").iterdir()}
    assert set(written) == {"config.json", "tokenizer.json", "tokenizer_config.json"}
    assert written["config.json"]["vocab_size"] == len(written["tokenizer.json"]["model"]["vocab"]) == VOCABULARY
    assert written["config.json"]["max_position_embeddings"] == MAX_TOKENS


def test_without_a_folder_it_says_how_it_is_used() -> None:
    asked = subprocess.run([sys.executable, "-m", "runtime.local.model"], capture_output=True, text=True)
    assert (asked.returncode, asked.stderr) == (2, "usage: python -m runtime.local.model FOLDER\n")
