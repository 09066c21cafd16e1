"""Scrapes as tests need them: a fleet of equal replicas whose counters one can set."""

from __future__ import annotations

from typing import Any

from collectors.observation import Gap, GatewaySample, ReplicaSample, Scrape

BASE: dict[str, Any] = {
    "running": 10.0,
    "waiting": 2.0,
    "kv_usage_ratio": 0.5,
    "input_tokens": 100_000.0,
    "cached_tokens": 20_000.0,
    "output_tokens": 50_000.0,
    "completed": 1000.0,
    "aborted": 5.0,
    "preemptions": 1.0,
    "rejected": 0.0,
}


def sample(name: str, at_s: float, **changes: Any) -> ReplicaSample:
    """A replica with counters as in ``BASE``, plus the changes; None makes it silent about that field."""
    known = {k: None if changes.get(k, 0) is None else v + changes.get(k, 0) for k, v in BASE.items()}
    rest = {k: v for k, v in changes.items() if k not in BASE}
    return ReplicaSample(name, at_s, **known, **rest)


def scrape(at_s: float, *samples: ReplicaSample, missing: tuple[str, ...] = (), **gateway: float) -> Scrape:
    """A scrape of these replicas, with gaps for those ``missing``; ``held`` and ``rejected`` make a gateway."""
    gate = {"chat": GatewaySample("chat", at_s, **gateway)} if gateway else {}
    gaps = tuple(Gap(name, "refused") for name in missing)
    return Scrape(at_s, {s.replica: s for s in samples}, (), gate, gaps)
