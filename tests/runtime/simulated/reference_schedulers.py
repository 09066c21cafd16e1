"""The schedulers as plain rules for the plain engine: lists, sorting, and every request that ever ended."""

from __future__ import annotations

from runtime.simulated.schedulers import Scheduling, adaptive_budget, larry
from tests.runtime.simulated.reference_engine import ReferenceEngine, Request, Rules

EDGES = [1, 2, *sorted(size << octave for octave in range(22) for size in (3, 4))]
ENOUGH = 16


def edge(tokens: int) -> int:
    """The upper end of the class that so many tokens are in."""
    return next(e for e in EDGES if e >= tokens)


class Whole(Rules):
    """Prompts are never cut in pieces."""

    whole_prompts = True

    def admits(self, engine: ReferenceEngine, request: Request, prefills: int, left: int) -> bool:
        return prefills == 0 or request.remaining <= left


class Static(Rules):
    """A batch begins when the engine is empty."""

    def room(self, engine: ReferenceEngine) -> int:
        return 0 if engine.running else 10**9


class Adaptive(Rules):
    """The step stays within the target."""

    def __init__(self, tpot_s: float) -> None:
        self.tpot_s = tpot_s

    def room(self, engine: ReferenceEngine) -> int:
        left, decoding = super().room(engine), [r for r in engine.running if r.decoding]
        if not decoding:
            return left
        step = engine.pool.step
        decode_ms = step.step_ms(len(decoding), sum(r.computed + 1 for r in decoding), 0)
        allowed = int((self.tpot_s * 1000 - decode_ms) / (step.p_ms_per_1k_prefill_tokens / 1000))
        return min(left, max(adaptive_budget.LEAST_TOKENS, allowed))


class Classed(Rules):
    """Classes of requests; whoever has waited too long goes first."""

    def __init__(self, scheduling: Scheduling) -> None:
        self.patience_s = 2 * scheduling.ttft_s

    def predict(self, engine: ReferenceEngine, request: Request, percent: int) -> int:
        """The quantile of the outputs of its like that are longer than what it wrote."""
        written = len(request.token_s)
        ended = [r for r in engine.ended if not r.refused and not r.ended_by_abort]
        alike = [r for r in ended if edge(r.input) == edge(request.input)]
        for known in (alike, ended):
            outputs = sorted(edge(r.output) for r in known if edge(r.output) >= edge(written + 1))
            if len(outputs) >= ENOUGH:
                return max(written + 1, next(o for i, o in enumerate(outputs, 1) if 100 * i >= percent * len(outputs)))
        return written + 1

    def pick(self, engine: ReferenceEngine) -> Request:
        if engine.waiting[0].preemptions:
            return engine.waiting[0]
        heads = {request.line: request for request in reversed(engine.waiting)}
        oldest = min(heads.values(), key=lambda r: r.ticket)
        if engine.clock_s > oldest.arrival_s + self.patience_s:
            return oldest
        return min(heads.values(), key=lambda r: self.key(engine, r))

    def key(self, engine: ReferenceEngine, request: Request) -> tuple[float, int]:
        raise NotImplementedError


class ShortestPredicted(Classed):
    """By the class of the predicted output."""

    def waits(self, engine: ReferenceEngine, request: Request) -> None:
        request.line = edge(self.predict(engine, request, 50))

    def key(self, engine: ReferenceEngine, request: Request) -> tuple[float, int]:
        return request.line, request.ticket


class Larry(Classed):
    """By predicted memory, and by prefill time when it is crowded."""

    def waits(self, engine: ReferenceEngine, request: Request) -> None:
        request.line = edge(request.input)
        tokens = min(engine.max_tokens, request.input + self.predict(engine, request, larry.PERCENT))
        request.demand = -(-tokens // engine.pool.block_tokens)

    def key(self, engine: ReferenceEngine, request: Request) -> tuple[float, int]:
        demanded = sum(r.demand for r in (*engine.running, *engine.waiting)) / (engine.pool.kv_blocks - 1)
        crowd = min(1.0, max(0.0, (demanded - larry.CALM) / (larry.CROWDED - larry.CALM)))
        prefill_s = engine.pool.step.p_ms_per_1k_prefill_tokens / 1e6 * request.input
        return prefill_s * crowd + larry.AGEING * request.arrival_s, request.ticket

    def admits(self, engine: ReferenceEngine, request: Request, prefills: int, left: int) -> bool:
        demanded = sum(r.demand for r in engine.running) + request.demand
        return not engine.running or 100 * demanded <= larry.FULL_PERCENT * (engine.pool.kv_blocks - 1)

    def victim(self, engine: ReferenceEngine, place: int) -> Request:
        spared = [r for r in engine.running[place:] if r.preemptions < larry.MOST_PREEMPTIONS]
        return min(reversed(spared), key=lambda r: r.computed) if spared else engine.running[-1]


def rules(scheduling: Scheduling) -> Rules:
    """The plain rules of a scheduler; an engine needs its own."""
    return {
        "fcfs-chunked": Rules,
        "fcfs": Whole,
        "static": Static,
        "adaptive": lambda: Adaptive(scheduling.tpot_s),
        "shortest-predicted": lambda: ShortestPredicted(scheduling),
        "larry": lambda: Larry(scheduling),
    }[scheduling.name]()
