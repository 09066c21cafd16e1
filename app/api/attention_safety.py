"""What safety has to say on the attention list: what operators hold, what does not come, what is sick or slow. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from app.api.schemas.fleet import AttentionItem
from app.daemon.memory import ServiceMemory
from autoscaler.safety.health import spoken
from autoscaler.safety.overrides import Kind, duration
from autoscaler.safety.overrides import spoken as by_hand
from runtime.replica import Transition


def of_safety(name: str, service: ServiceMemory, now_s: float) -> Iterator[AttentionItem]:
    """Everything of one service."""
    yield from of_shortage(name, service)
    yield from of_health(name, service, now_s)
    yield from of_drains(name, service, now_s)
    yield from of_unrest(name, service, now_s)
    yield from of_hands(name, service, now_s)


def of_shortage(name: str, service: ServiceMemory) -> Iterator[AttentionItem]:
    """Capacity that was asked for and does not come."""
    for constraint in service.decision.constraints if service.decision else ():
        if constraint.name == "unschedulable":
            yield AttentionItem(severity="critical", service=name, text=f"no capacity: {constraint.detail}")


def of_health(name: str, service: ServiceMemory, now_s: float) -> Iterator[AttentionItem]:
    """Replicas with a sick GPU."""
    sick = service.control.health.sick
    if sick:
        severity = "critical" if any(patient.urgent for patient in sick) else "warning"
        item = {"severity": severity, "service": name, "text": spoken(sick, now_s)}
        yield AttentionItem.model_validate(item)


def of_drains(name: str, service: ServiceMemory, now_s: float) -> Iterator[AttentionItem]:
    """Drains past their deadline; their requests are not aborted, somebody has to look."""
    deadline_s = service.policy.scale_in.drain_deadline_s
    for replica in service.replicas:
        drained_s = now_s - replica.since_s
        if replica.transition is Transition.DRAINING and drained_s > deadline_s:
            text = f"{replica.name} has been draining for {duration(drained_s)}, longer than {duration(deadline_s)}"
            yield AttentionItem(severity="warning", service=name, text=text)


def of_unrest(name: str, service: ServiceMemory, now_s: float) -> Iterator[AttentionItem]:
    """A service that goes out and in and out again."""
    unrest, rule = service.control.restlessness, service.policy.oscillation
    if unrest.until_s is not None and now_s < unrest.until_s:
        text = (
            f"restless: {len(unrest.turns)} changes of direction within {duration(rule.within_s)}; scale-in waits "
            f"{rule.widen:g} times as long for {duration(unrest.until_s - now_s)} more"
        )
        yield AttentionItem(severity="warning", service=name, text=text)


def of_hands(name: str, service: ServiceMemory, now_s: float) -> Iterator[AttentionItem]:
    """What operators hold by hand; a pin is worth more of a look than a floor."""
    for override in service.control.overrides:
        if override.covers(name, now_s):
            severity = "info" if override.kind is Kind.AT_LEAST else "warning"
            item = {"severity": severity, "service": name, "text": f"by hand: {by_hand(override, now_s)}"}
            yield AttentionItem.model_validate(item)
