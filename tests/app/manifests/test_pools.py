"""A pool of the fleet file as engines."""

from __future__ import annotations

from typing import Any

import pytest

from app.errors import UserError
from app.manifests.pools import engine_of, label
from app.settings import Settings

POOL: dict[str, Any] = {
    "name": "Chat_H100x2",
    "gpu": "H100-SXM",
    "gpus_per_replica": 2,
    "price_usd_per_gpu_hour": 2.5,
    "step": {"a_ms": 1, "b_ms_per_seq": 1, "k_ms_per_1k_kv_tokens": 1, "p_ms_per_1k_prefill_tokens": 1},
    "kv_blocks": 100,
    "lead_times": {"cold": {"p50_s": 150, "p90_s": 300}},
    "launch": {"model": "Qwen/Qwen3-32B", "args": ["--max-num-seqs", "64"], "sleep": "level1", "load_format": "dummy"},
}


def settings(**pool: Any) -> Settings:
    policy = {"scale_in": {"drain_deadline_s": 120}}
    return Settings.model_validate({"services": [{"name": "chat", "policy": policy, "pools": [POOL | pool]}]})


def test_what_the_file_says_is_not_said_again() -> None:
    engine, service = engine_of(settings(), "Chat_H100x2")
    assert (engine.name, engine.pool_name, engine.service) == ("chat-h100x2", "Chat_H100x2", "chat")
    assert (engine.gpus, engine.start_s, engine.drain_s, engine.sleep) == (2, 900, 120, True)
    assert engine.args == ("--load-format", "dummy", "--max-num-seqs", "64") and service.name == "chat"


def test_options_win() -> None:
    engine, _ = engine_of(settings(), "Chat_H100x2", name="other", gpus=4, start_s=1200.0)
    assert (engine.name, engine.gpus, engine.start_s) == ("other", 4, 1200)


def test_without_launch_the_model_must_be_given() -> None:
    with pytest.raises(UserError, match="give --model NAME"):
        engine_of(settings(launch=None), "Chat_H100x2")
    assert engine_of(settings(launch=None), "Chat_H100x2", model="m")[0].model == "m"


def test_an_unknown_pool_is_told_with_those_there_are() -> None:
    with pytest.raises(UserError, match="no pool 'x' in the fleet file; there are Chat_H100x2"):
        engine_of(settings(), "x")


def test_names_become_labels() -> None:
    assert label("_Llama-3.1_70B!") == "llama-3-1-70b"
