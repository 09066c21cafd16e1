"""Policies that cannot work, found before they are in force: each with the number that shows why. Pure.

An *error* is what no fleet size mends (a promise that the hardware cannot keep, a budget below the minimum, a tier that
the pool does not have); such a policy is refused. A *warning* is what works, but not for the load that is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from autoscaler.capacity import FLOOR, replicas_for, rho_max
from autoscaler.policy import Policy
from runtime.pool import Pool
from runtime.replica import Tier

LIMITS = {
    "tpot": ("slo.tpot_s", "TPOT"),
    "ttft": ("slo.ttft_s", "TTFT"),
    "kv": ("slo", "KV memory"),
    "seqs": ("slo", "max_num_seqs"),
    "stability": ("slo", "stability"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with a policy: its field, what would be right, and whether it is refused for it."""

    field: str
    text: str
    refused: bool = True

    def __str__(self) -> str:
        return f"{self.field}: {self.text}"


@dataclass(frozen=True, slots=True)
class Present:
    """What is known of the service as it is; None where nothing is."""

    interval_s: float
    erlangs: float | None = None
    mean_input_tokens: float | None = None
    mean_output_tokens: float | None = None


def findings(policy: Policy, pool: Pool, present: Present) -> list[Finding]:
    """Everything that is wrong, what is refused first."""
    found = [*_slo(policy, pool, present), *_money(policy, pool), *_tiers(policy, pool), *_times(policy, present)]
    if not found:
        found += _load(policy, pool, present)
    return sorted(found, key=lambda finding: not finding.refused)


def _slo(policy: Policy, pool: Pool, present: Present) -> Iterator[Finding]:
    """The promise against what one replica with nothing else to do can keep, or the whole fleet nearly idle."""
    slo, step = policy.slo, pool.step
    least_s = step.a_ms / 1000
    if slo.tpot_s <= least_s:
        enough_s = least_s / (1 - FLOOR)
        text = f"{slo.tpot_s:g} s is out of reach: on {pool.name} a token takes {least_s:.4g} s on an idle engine"
        yield Finding("slo.tpot_s", f"{text}; give at least {enough_s:.3g}")
        return
    length = present.mean_input_tokens
    if length is not None:
        read_s = (step.a_ms + step.p_ms_per_1k_prefill_tokens * length / 1000) / 1000
        target_s = slo.ttft_s + slo.ttft_s_per_1k_tokens * length / 1000
        if target_s <= read_s:
            text = f"{target_s:g} s is out of reach: a prompt of {length:.0f} tokens alone takes {read_s:.3g} s to read"
            yield Finding("slo.ttft_s", f"{text} on {pool.name}; give more than {read_s:.3g}")
            return
    rho = rho_max(pool, slo, present.mean_input_tokens, present.mean_output_tokens, policy.routing)
    rho = rho.among(policy.replicas.max)
    if rho.limits[rho.binding] < FLOOR:
        field, name = LIMITS[rho.binding]
        value = rho.limits[rho.binding]
        text = f"within it a replica on {pool.name} carries {value:.2g} erlangs at most ({name} binds)"
        yield Finding(field, f"{text}; give a promise that allows {FLOOR:g}")


def _money(policy: Policy, pool: Pool) -> Iterator[Finding]:
    """The budget against the least that the policy holds."""
    usd = policy.budget_usd_per_hour
    if usd is None:
        return
    held = policy.replicas.min * pool.replica_usd_per_hour
    spares = policy.standby.min * pool.holding_usd_per_hour(Tier(policy.standby.tier))
    if usd < held + spares - 1e-9:
        count = f"{policy.replicas.min} replicas" + (f" and {policy.standby.min} spare" if policy.standby.min else "")
        text = f"${usd:g} an hour is below what the minimum of {count} costs, ${held + spares:g}"
        yield Finding("budget_usd_per_hour", f"{text}; give at least that or a smaller minimum")


def _tiers(policy: Policy, pool: Pool) -> Iterator[Finding]:
    """Spares in a tier that the pool can start from."""
    tier = Tier(policy.standby.tier)
    if policy.standby.min > 0 and tier not in pool.lead_times:
        known = ", ".join(sorted(pool.lead_times)) or "none"
        text = f"{tier.value} has no lead time in {pool.name} (known: {known}), so standby.min {policy.standby.min}"
        yield Finding("standby.tier", f"{text} cannot be held; give another tier or standby.min 0")
    if policy.replicas.min == 0 and not pool.lead_times:
        yield Finding("replicas.min", f"0 in {pool.name}, which knows no lead time to come back; give 1")


def _times(policy: Policy, present: Present) -> Iterator[Finding]:
    """Windows against the time between two looks."""
    tick_s = present.interval_s
    if policy.scale_in.window_s < tick_s:
        text = f"{policy.scale_in.window_s:g} s is shorter than the {tick_s:g} s between two looks, so it holds nothing"
        yield Finding("scale_in.window_s", f"{text}; give at least {tick_s:g}")
    if policy.stale_after_s < tick_s:
        text = f"{policy.stale_after_s:g} s is shorter than the {tick_s:g} s between two looks: all data would be stale"
        yield Finding("stale_after_s", f"{text}; give at least {tick_s:g}")


def _load(policy: Policy, pool: Pool, present: Present) -> Iterator[Finding]:
    """The upper bounds against the load that is there now."""
    if present.erlangs is None:
        return
    rho = rho_max(pool, policy.slo, present.mean_input_tokens, present.mean_output_tokens, policy.routing)
    needed = replicas_for(present.erlangs, rho)
    why = f"the load now ({present.erlangs:.3g} erlangs, {rho.among(needed).value:.2g} a replica) needs {needed}"
    if policy.replicas.max < needed:
        yield Finding("replicas.max", f"{policy.replicas.max} is too few: {why}", refused=False)
    usd, price = policy.budget_usd_per_hour, pool.replica_usd_per_hour
    if usd is not None and usd < needed * price:
        text = f"${usd:g} an hour is too little: {why}, which cost ${needed * price:g}"
        yield Finding("budget_usd_per_hour", text, refused=False)
