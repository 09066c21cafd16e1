"""The decision about a rack: how many GPUs to hold for all the services that sleep on it.

Like ``decide`` a pure function with the same habits: never fewer on missing data or just after a start, never below
the highest need of the window, at most so many fewer at once, bounds last, and a freeze over everything. Idle GPUs of a
rack are lent out, so holding one more costs the lent share of its price, and the quantile is the newsvendor's for that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from pydantic import Field

from autoscaler.policy import Section
from autoscaler.safety.guardrails import remember
from autoscaler.sharing.joint import Need
from autoscaler.sizing import newsvendor_tau
from runtime.rack import Rack


class RackPolicy(Section):
    """How the GPUs that several services share are held."""

    min_gpus: int = Field(0, ge=0, description="Never hold fewer GPUs than this.")
    min_idle_gpus: int = Field(
        0, ge=0, description="Hold so many GPUs beyond those asked for now, for whoever wakes from zero."
    )
    shortage_usd_per_gpu_hour: float = Field(
        50.0, gt=0, description="Loss while one GPU's worth of demand is not served, USD per hour."
    )
    window_s: float = Field(300.0, ge=0, description="Give back only to the highest need seen in this window, seconds.")
    max_step_in: int = Field(8, ge=1, description="Most GPUs given back in one decision.")


@dataclass(frozen=True, slots=True)
class RackState:
    """What is remembered of a rack from tick to tick: GPUs asked for, (at_s, GPUs needed) of the window, and when
    whoever decides was started.
    """

    gpus: int
    needs: tuple[tuple[float, int], ...] = ()
    started_at_s: float = -math.inf


@dataclass(frozen=True, slots=True)
class RackDecision:
    """GPUs to hold, why, and the memory for the next tick. ``saved`` is what insuring each service alone would add.

    ``act`` is False while a service of the rack is not in auto mode: it is then what would have been held.
    """

    rack: str
    at_s: float
    gpus: int
    tau: float
    saved: int
    binding: str
    sentence: str
    next_state: RackState
    act: bool = True

    @property
    def id(self) -> str:
        """Names it in the ledger and to the fleet."""
        return f"rack-{self.rack}-{round(self.at_s * 1000)}"


def quantile(rack: Rack, policy: RackPolicy) -> float:
    """The quantile at which one more idle GPU costs as much held as missed."""
    return newsvendor_tau(policy.shortage_usd_per_gpu_hour, rack.price_usd_per_gpu_hour * rack.lent_share)


def hold(
    rack: Rack,
    found: Need,
    state: RackState,
    policy: RackPolicy,
    now_s: float,
    act: bool = True,
    frozen: str | None = None,
) -> RackDecision:
    """One decision about ``rack`` at ``now_s``, UTC seconds, for what its services need; shadow without ``act``.

    ``frozen`` says in words who lets nothing change, if anybody does.
    """
    tau = quantile(rack, policy)
    counted = found.together if found.known else max(found.together, state.gpus)
    needs = remember(state.needs, now_s, counted, policy.window_s)
    gpus, binding = found.together, "need"
    for name, floor in (
        ("hold", 0 if found.known else state.gpus),
        ("restart", state.gpus if now_s < state.started_at_s + policy.window_s else 0),
        ("window", min(state.gpus, max(need for _, need in needs))),
        ("step_in", state.gpus - policy.max_step_in),
        ("idle", found.active + policy.min_idle_gpus),
        ("min", policy.min_gpus),
    ):
        if floor > gpus:
            gpus, binding = floor, name
    if gpus > rack.max_gpus:
        gpus, binding = rack.max_gpus, "max"
    if frozen is not None:
        gpus, binding = state.gpus, "freeze"
    said = _sentence(rack, found, state.gpus, gpus, tau, binding, policy, frozen)
    saved = found.apart - found.together
    after = replace(state, gpus=gpus if act else state.gpus, needs=needs)
    return RackDecision(rack.name, now_s, gpus, tau, saved, binding, said, after, act)


def _sentence(
    rack: Rack,
    found: Need,
    before: int,
    gpus: int,
    tau: float,
    binding: str,
    policy: RackPolicy,
    frozen: str | None,
) -> str:
    verb = "Keep" if gpus == before else "Hold" if gpus > before else "Give back"
    move = f"{verb} {gpus} GPUs" if gpus == before else f"{verb} {before} -> {gpus} GPUs"
    why = (
        f"{found.active} are asked for now, and all services together may need {found.together} (P{tau * 100:.0f}) "
        f"within the {rack.lead_time.p90_s:.0f} s it takes to get more; apart they would need {found.apart}"
    )
    limits = {
        "hold": "a service has no forecast or was not seen, and nothing is given back on that",
        "restart": f"nothing is given back in the first {policy.window_s:g} s after a start",
        "window": f"more were needed in the last {policy.window_s:g} s",
        "step_in": f"at most {policy.max_step_in} are given back at once",
        "idle": f"{policy.min_idle_gpus} stay idle for who wakes from zero",
        "min": f"min_gpus is {policy.min_gpus}",
        "freeze": frozen,
        "max": f"the rack holds at most {rack.max_gpus}",
    }
    return f"{move}: {why}{f'; {limits[binding]}' if binding in limits else ''}."
