"""What one replica of a service carries and how long one takes to get, as the API shows it. Pure."""

from __future__ import annotations

from app.api.schemas.capacity import CapacityView, LeadTimeView, LearnedView, StepLaw
from app.daemon.memory import ServiceMemory
from autoscaler.learning.law import TERMS, Learned, values
from autoscaler.learning.lead_times import transition
from runtime.pool import StepTime


def capacity_view(name: str, service: ServiceMemory) -> CapacityView:
    """The service's pool as decisions count with it."""
    decision, pool, learned = service.decision, service.pool, service.control.learned
    configured = None if decision is None else decision.rho_max_configured or decision.rho_max
    return CapacityView(
        service=name,
        pool=pool.name,
        rho_max=decision.rho_max if decision else None,
        rho_max_configured=configured,
        binding=decision.rho_binding if decision else None,
        law=law_view(pool.step),
        learned=learned_view(learned) if learned else None,
        lead_times=lead_time_views(service),
    )


def law_view(step: StepTime) -> StepLaw:
    """The four numbers."""
    return StepLaw(**dict(zip(StepLaw.model_fields, values(step), strict=True)))


def learned_view(learned: Learned) -> LearnedView:
    """What was learned, and from what."""
    return LearnedView(
        law=law_view(learned.step),
        factors=dict(zip(TERMS, learned.factors, strict=True)),
        at_bound=list(learned.at_bound),
        replica_s=learned.seconds,
        last_taken_s=learned.last_taken_s,
        taken=learned.taken,
        refused=dict(learned.refused),
    )


def lead_time_views(service: ServiceMemory) -> list[LeadTimeView]:
    """Every tier that the pool has, fastest first."""
    used = service.control.lead_times
    views = [
        LeadTimeView(
            tier=tier.value,
            transition=transition(tier).value,
            p50_s=used.get(tier, configured).p50_s,
            p90_s=used.get(tier, configured).p90_s,
            configured_p50_s=configured.p50_s,
            configured_p90_s=configured.p90_s,
            measured=service.measured.get(tier, 0),
        )
        for tier, configured in service.pool.lead_times.items()
    ]
    return sorted(views, key=lambda view: view.p50_s)
