"""What goes wrong in the middle of a run: replicas die, GPUs are sold out, metrics stop, traffic turns, forecasts err.

A script is a list of moments and of what happens to the world at each; traffic that turns is another trace, and a
forecast that errs another forecaster. Everything is the same for every contender and every time it is played.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from forecasting.forecast import Forecast
from forecasting.forecaster import Forecaster
from runtime.simulated.gpus import Gpu
from runtime.simulated.world import World
from runtime.traces import Trace


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that happens ``at_s`` seconds after the start."""

    at_s: float
    happen: Callable[[World], None]


# --- to the fleet ----------------------------------------------------------------------------------------------------


def deaths(at_s: float, share: float, seed: int = 0) -> Fault:
    """That share of the replicas in rotation, rounded up, lose a GPU for good, and all requests in them."""

    def happen(world: World) -> None:
        serving = sorted(r.name for r in world.replicas.by_name.values() if r.serving)
        count = int(np.ceil(share * len(serving)))
        for name in np.random.default_rng(seed).choice(serving, count, replace=False).tolist():
            first: Gpu = world.replicas.by_name[name].gpus[0]
            world.fail_gpu(first.uuid, "xid")

    return Fault(at_s, happen)


def sold_out(at_s: float, for_s: float, pool: str) -> Fault:
    """For a while the provider has no more of that pool's GPUs."""
    return Fault(at_s, lambda world: world.sold_out(pool, world.now_s + for_s))


def blackout(at_s: float, for_s: float) -> Fault:
    """For a while no metric can be read, the gateway's neither."""
    return Fault(at_s, lambda world: world.blackout(world.now_s + for_s))


def reclaim(at_s: float, share: float, pool: str, notice_s: float = 120.0) -> Fault:
    """That share of a spot pool's replicas, rounded up, is taken back after a notice."""

    def happen(world: World) -> None:
        held = sum(r.pool.name == pool and r.serving for r in world.replicas.by_name.values())
        world.reclaim(pool, int(np.ceil(share * held)), notice_s)

    return Fault(at_s, happen)


# --- to the traffic --------------------------------------------------------------------------------------------------


def step(trace: Trace, from_s: float, until_s: float, factor: int, seed: int = 0) -> Trace:
    """Between two moments every request comes ``factor`` times, each within half a minute of the original."""
    inside = (trace.arrival_s >= from_s) & (trace.arrival_s < until_s)
    times = np.where(inside, factor, 1)
    index = np.repeat(np.arange(trace.requests), times)
    again = np.concatenate([[False], index[1:] == index[:-1]])
    shift = 30.0 * np.random.default_rng(seed).random(len(index)) * again
    at_s = trace.arrival_s[index] + shift
    order = np.argsort(at_s, kind="stable")
    return replace(trace.take(index[order]), arrival_s=at_s[order])


def longer(trace: Trace, from_s: float, factor: float) -> Trace:
    """From a moment on every prompt is so many times as long; the request rate tells nothing of it."""
    stretched = np.rint(trace.input_tokens * np.where(trace.arrival_s >= from_s, factor, 1.0)).astype(np.int32)
    return replace(trace, input_tokens=stretched)


# --- to the forecast -------------------------------------------------------------------------------------------------


class Inverted(Forecaster):
    """Tells a rise where it should tell a fall and a fall where a rise: every quantile mirrored at the day's mean."""

    def forecast(self, now_s: float) -> Forecast | None:
        """The mirror image of the forecast as of ``now_s``."""
        told = super().forecast(now_s)
        roots = self.history().roots[-1440:]
        if told is None or not np.isfinite(roots).any():
            return told
        mirrored = np.maximum(0.0, 2 * float(np.nanmean(np.square(roots))) - np.array(told.values))
        values = np.maximum.accumulate(np.sort(mirrored, axis=1), axis=0)
        return replace(told, values=tuple(tuple(row) for row in values.tolist()))


def due(faults: Sequence[Fault], after_s: float, until_s: float) -> list[Fault]:
    """Those that happen in [after, until), in order."""
    return sorted((f for f in faults if after_s <= f.at_s < until_s), key=lambda f: f.at_s)
