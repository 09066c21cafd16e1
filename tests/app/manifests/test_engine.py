"""What can be described can be run; what cannot is refused with what would be right."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.manifests.engine import Engine, Volume

CHAT: dict[str, Any] = {"name": "chat", "service": "chat", "model": "Qwen/Qwen3-32B"}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": "Chat_1"}, "DNS label"),
        ({"name": "c" * 54}, "at most 53"),
        ({"service": "-chat"}, "label value"),
        ({"pool": "p" * 64}, "at most 63"),
        ({"gpus": 3, "nodes": 2}, "that the nodes divide"),
        ({"gpus": 0}, "that the nodes divide"),
        ({"args": ("--port=1",)}, "argument --port follows"),
        ({"args": ("-tp", "2")}, "argument -tp follows"),
    ],
)
def test_a_mistake_is_told(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Engine(**CHAT | wrong)


@pytest.mark.parametrize(
    ("text", "volume"), [("empty", Volume()), ("pvc:models", Volume("models")), ("host:/data", Volume(None, "/data"))]
)
def test_volumes_are_read(text: str, volume: Volume) -> None:
    assert Volume.read(text) == volume


@pytest.mark.parametrize("text", ["", "pvc:", "host:data", "nfs:/x"])
def test_other_volumes_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="give empty, pvc:NAME or host:/FOLDER"):
        Volume.read(text)


@given(gpus=st.integers(1, 8), nodes=st.integers(1, 4), drain_s=st.floats(1, 3600))
def test_a_replica_stays_within_its_nodes_and_outlasts_its_drain(gpus: int, nodes: int, drain_s: float) -> None:
    engine = Engine(**CHAT, gpus=gpus * nodes, nodes=nodes, drain_s=drain_s)
    assert engine.gpus_per_node == gpus and engine.grace_s > drain_s + 15
    assert engine.memory_gib_per_pod > engine.shm_gib
