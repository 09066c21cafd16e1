"""Small parts that several tests plan with: numbers that can be followed by hand."""

from __future__ import annotations

from autoscaler.planning.basis import Basis
from autoscaler.planning.candidates import Candidate, Way
from autoscaler.planning.carry import Asked
from autoscaler.planning.memory import Memory
from autoscaler.planning.prices import Offer
from autoscaler.planning.splits import Split
from autoscaler.policy import Slo
from runtime.pool import Pool, StepTime

STEP = StepTime(20.0, 0.05, 0.06, 75.0)
PAIR = Split(2)


def offer(on_demand: float = 3.0, spot: float | None = None, reserved: float | None = None) -> Offer:
    return Offer("H100-SXM", "Acme", "h100", "moon", on_demand, spot, reserved, "2026-11-01", "acme.test")


def candidate(step: StepTime = STEP, error: float = 0.1, split: Split = PAIR, price: Offer | None = None) -> Candidate:
    price = price or offer()
    pool = Pool("p", "plan", "vllm", "H100-SXM", split.gpus, price.on_demand_usd, step, 15_000, max_num_seqs=256)
    room = Memory(79.6, 32.9, 3.6, 36.7, 6.4, 240_000)
    return Candidate(Way("H100-SXM", "fp8", split), pool, room, price, Basis(True, error, False, "measured"))


def asked(ttft_s: float = 2.0, tpot_s: float = 0.05, headroom: float = 1.0, cached: float = 0.0) -> Asked:
    return Asked(Slo(ttft_s=ttft_s, tpot_s=tpot_s), headroom, cached)
