"""The attention list: the few things an operator should look at now, worst first, each one sentence. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from app.api.attention_safety import of_safety
from app.api.schemas.fleet import AttentionItem
from app.daemon.memory import Memory, RackMemory, ServiceMemory, known_mean, spark
from app.daemon.signals import state_of
from autoscaler.canary.watch import Outcome, burns
from autoscaler.policy import Mode, TuningMode
from autoscaler.safety.overrides import duration
from collectors.redact import redacted

RISK_WARNING = 0.05
RISK_CRITICAL = 0.25
ORDER = {"critical": 0, "warning": 1, "info": 2}


def staleness(service: ServiceMemory, now_s: float) -> tuple[float | None, bool]:
    """Age of the last valid observation in seconds, and whether the policy calls that stale."""
    if service.last_valid_s is None:
        return None, True
    age_s = max(0.0, now_s - service.last_valid_s)
    return age_s, age_s > service.policy.stale_after_s


def attention(memory: Memory, now_s: float) -> list[AttentionItem]:
    """Everything worth a look, worst first, in the order of the services within a severity."""
    items = [item for name, service in memory.services.items() for item in of_service(name, service, now_s)]
    if memory.trouble:
        items.append(AttentionItem(severity="critical", service="", text=memory.trouble))
    left = [f"agent {name} is left as it is: {one.trouble}" for name, one in memory.agents.items() if one.trouble]
    items += [AttentionItem(severity="warning", service="", text=redacted(text)) for text in left]
    if memory.gpus and memory.gpus.faulty:
        text = f"{some(memory.gpus.faulty, 'GPU')} with faults (XID or double-bit ECC)"
        items.append(AttentionItem(severity="warning", service="", text=text))
    items += [item for name, rack in memory.racks.items() for item in of_rack(name, rack)]
    return sorted(items, key=lambda item: ORDER[item.severity])


def of_service(name: str, service: ServiceMemory, now_s: float) -> Iterator[AttentionItem]:
    """What is worth a look in one service."""
    yield from of_data(name, service, now_s)
    yield from of_latency(name, service)
    yield from of_capacity(name, service)
    yield from of_watch(name, service)
    yield from of_safety(name, service, now_s)
    yield from of_tuning(name, service, now_s)
    failed = Counter(map(state_of, service.replicas))["failed"]
    if failed:
        yield AttentionItem(severity="warning", service=name, text=f"{some(failed, 'replica')} failed")
    if service.policy.mode is Mode.SHADOW and would_change(service):
        text = f"shadow mode: {service.decision.sentence if service.decision else ''}"
        yield AttentionItem(severity="info", service=name, text=text)


def of_tuning(name: str, service: ServiceMemory, now_s: float) -> Iterator[AttentionItem]:
    """Knobs that tuning has just turned, until the next search; and why tuning that should act does not."""
    choice, tuner, rule = service.tuner.choice, service.tuner, service.policy.tuning
    if choice is None or rule.mode is not TuningMode.AUTO:
        return
    if not choice.counted:
        yield AttentionItem(severity="info", service=name, text=f"tuning: {choice.sentence}")
    elif tuner.switched_s is not None and service.control.tuned and now_s - tuner.switched_s < rule.every_s:
        text = f"settings tuned {duration(now_s - tuner.switched_s)} ago: {choice.sentence}"
        yield AttentionItem(severity="info", service=name, text=text)


def of_rack(name: str, rack: RackMemory) -> Iterator[AttentionItem]:
    """A rack that is not there, or that is too small for what its services may need."""
    if rack.missing:
        text = f"the fleet has no rack {name}, so nothing is decided about it"
        yield AttentionItem(severity="warning", service="", text=text)
    elif rack.considered and rack.considered.decision.binding == "max":
        yield AttentionItem(severity="warning", service="", text=f"rack {name}: {rack.considered.decision.sentence}")


def of_data(name: str, service: ServiceMemory, now_s: float) -> Iterator[AttentionItem]:
    """Missing and stale data."""
    age_s, stale = staleness(service, now_s)
    if age_s is None:
        yield AttentionItem(severity="warning", service=name, text="no valid observation yet; holding")
    elif stale:
        yield AttentionItem(severity="critical", service=name, text=f"data is {age_s:.0f} s old; holding")
    elif service.observation and service.observation.gaps:
        gaps = service.observation.gaps
        more = f" and {len(gaps) - 1} more" if len(gaps) > 1 else ""
        text = f"missing data: {gaps[0].subject}: {gaps[0].reason}{more}"
        yield AttentionItem(severity="warning", service=name, text=text)


def of_latency(name: str, service: ServiceMemory) -> Iterator[AttentionItem]:
    """Attainment below what the policy promises."""
    share = known_mean(spark(service.recent, "attainment"))
    promised = service.policy.slo.attainment
    if share is not None and share < promised:
        severity = "critical" if share < 1 - 3 * (1 - promised) else "warning"
        text = f"attainment is about {share:.2%}, the target is {100 * promised:.4g}%"
        yield AttentionItem.model_validate({"severity": severity, "service": name, "text": text})


def of_capacity(name: str, service: ServiceMemory) -> Iterator[AttentionItem]:
    """Risk of being short before new replicas could serve, and a fleet at its limit."""
    decision = service.decision
    if decision is None:
        return
    risk = decision.risk_of_shortfall
    if risk is not None and risk >= RISK_WARNING:
        severity = "critical" if risk >= RISK_CRITICAL else "warning"
        text = f"may be short of capacity before new replicas serve: risk {risk:.0%}"
        yield AttentionItem.model_validate({"severity": severity, "service": name, "text": text})
    desired = service.control.desired
    if desired and desired.active >= service.policy.replicas.max:
        text = f"at its maximum of {some(service.policy.replicas.max, 'replica')}"
        yield AttentionItem(severity="warning", service=name, text=text)


def of_watch(name: str, service: ServiceMemory) -> Iterator[AttentionItem]:
    """A policy on watch, for as long as it is; one that was taken back, until somebody changes the policy."""
    watch = service.watch
    if watch is None:
        return
    if watch.outcome is Outcome.ROLLED_BACK and service.policy_version <= watch.version + 1:
        yield AttentionItem(severity="critical", service=name, text=f"policy taken back: {watch.said}")
    if watch.open:
        highest = max(burns(watch), key=lambda burn: burn.long / burn.alert.burn)
        burning = (
            f"burns {max(0.0, highest.long):.1f} times its budget beyond before, {highest.alert.burn:g} is too much"
        )
        text = f"policy version {watch.version} is on watch, {watch.left_s / 60:.0f} min to go: {burning}"
        if watch.missing_s > 0:
            text += f"; {watch.missing_s / 60:.1f} min longer, as nothing was measured for so long"
        yield AttentionItem(severity="info", service=name, text=text)


def would_change(service: ServiceMemory) -> bool:
    """Whether the decision that was not acted on asks for another number of active replicas."""
    if service.decision is None or not service.decision.plan.targets:
        return False
    several = bool(service.control.more)  # whose counts are what they are worth, which plans are not told in
    there = sum(replica.serving for replica in service.replicas) if several else service.control.counts.active
    return service.decision.plan.total.active != there


def some(count: int, noun: str) -> str:
    """``1 replica``, ``2 replicas``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
