"""The simulated engine under a benchmark's load: so many clients, each asking again the moment it is answered.

This is how measured rows come about, so it is how simulator and silicon are compared: the same concurrency and
lengths, once through the kernel that fleets run on, once on the GPU.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from runtime.pool import Pool
from runtime.simulated.kernel import advance, enqueue
from runtime.simulated.state import NO_SLOT, EngineState, install, new_state

JUST_BEFORE_S = 1e-6
"""Stop so long before a finish, to take the last step by itself and put the next request into the one after it."""

GOLDEN = 0.6180339887498949
"""Multiples of it, modulo 1, lie evenly however many there are."""


@dataclass(frozen=True, slots=True)
class FixedLoad:
    """So many clients at once, every prompt and every answer of one length; outputs of 2 tokens or more."""

    concurrency: int
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Measurement:
    """Means over requests (ms), and output tokens per second and GPU, after the load has settled."""

    ttft_ms: float
    tpot_ms: float
    output_tokens_per_s_per_gpu: float
    preemptions: int


def run(pool: Pool, load: FixedLoad, rounds: int = 3) -> Measurement:
    """Serve the load with one replica until every client has been answered ``rounds`` times more, after settling.

    Every client's first answer is cut short, each at another length, so that they stand evenly in all stages of an
    answer, as they do after a long run; two answers of each are not counted. Raises ValueError for a request that can
    never fit.
    """
    clients = _Clients(pool, load)
    settled = 2 * load.concurrency
    while clients.answered < settled:
        clients.step()
    begin_s, clients.samples = clients.clock_s, []
    while clients.answered < settled + rounds * load.concurrency:
        clients.step()
    ttft_s, tpot_s, preemptions = np.array(clients.samples).T
    tokens_per_s = len(clients.samples) * load.output_tokens / (clients.clock_s - begin_s)
    return Measurement(
        float(ttft_s.mean() * 1000),
        float(tpot_s.mean() * 1000),
        float(tokens_per_s / pool.gpus_per_replica),
        int(preemptions.sum()),
    )


class _Clients:
    """One engine and its clients; client i owns request slot i."""

    def __init__(self, pool: Pool, load: FixedLoad) -> None:
        self.load = load
        self.answered = 0
        self.samples: list[tuple[float, float, int]] = []
        self._state: EngineState = new_state(1, load.concurrency, pool.max_num_seqs)
        install(self._state, 0, pool, 0.0)
        for slot in range(load.concurrency):
            self._ask(slot, 0.0, 1 + int(load.output_tokens * (slot * GOLDEN % 1)))

    @property
    def clock_s(self) -> float:
        """The engine's time."""
        return float(self._state.replicas[0]["clock"])

    def _ask(self, slot: int, now_s: float, output_tokens: int) -> None:
        request = self._state.requests[slot]
        request["arrival"], request["first_scheduled"] = now_s, -1.0
        request["input"], request["output"] = self.load.input_tokens, output_tokens
        for name in ("computed", "generated", "preemptions", "reason", "capped"):
            request[name] = 0
        request["prev"] = request["next"] = NO_SLOT
        if not enqueue(self._state, 0, slot, now_s) or request["capped"]:
            raise ValueError(f"a request of {self.load.input_tokens} + {self.load.output_tokens} tokens never fits")

    def step(self) -> None:
        """On to the next finish, or nearer to it; whoever was answered asks again."""
        advance(self._state, 0, self._next_stop_s())
        count = int(self._state.done_count[0])
        self._state.done_count[0] = 0
        for slot in self._state.done[:count].tolist():
            request = self._state.requests[slot]
            decode_s = (request["finish"] - request["first_token"]) / (self.load.output_tokens - 1)
            self.samples.append((request["first_token"] - request["arrival"], decode_s, int(request["preemptions"])))
            self.answered += 1
            self._ask(slot, float(request["finish"]), self.load.output_tokens)

    def _next_stop_s(self) -> float:
        engine = self._state.replicas[0]
        pending_s = float(engine["pending_end"])
        earliest_s = pending_s if np.isfinite(pending_s) else float(np.nextafter(engine["clock"], np.inf))
        return max(float(engine["wake"]) - JUST_BEFORE_S, earliest_s)
