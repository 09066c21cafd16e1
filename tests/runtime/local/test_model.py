"""The tiny model's files, as far as they can be read without an engine; test_real serves it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runtime.local import model


def test_every_token_is_a_word_of_its_own(tmp_path: Path) -> None:
    assert model.main([str(tmp_path / "new" / "folder")]) == 0
    tokenizer = json.loads((tmp_path / "new/folder/tokenizer.json").read_text())
    assert sorted(tokenizer["model"]["vocab"].values()) == list(range(model.VOCABULARY))


def test_heads_divide_and_lengths_agree(tmp_path: Path) -> None:
    model.write(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert config["hidden_size"] % config["num_attention_heads"] == 0
    assert config["max_position_embeddings"] == settings["model_max_length"] == model.MAX_TOKENS


def test_without_a_folder_it_says_how(capsys: pytest.CaptureFixture[str]) -> None:
    assert model.main([]) == 2
    assert "usage" in capsys.readouterr().err
