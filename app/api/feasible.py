"""Whether a policy can work for a service as it is now: what refuses it, and what to be warned of."""

from __future__ import annotations

from fastapi import HTTPException

from app.api.backend import Backend
from app.daemon.memory import ServiceMemory
from autoscaler.policy import Policy
from autoscaler.safety.feasibility import Finding, Present, findings


def found(policy: Policy, known: ServiceMemory, back: Backend) -> list[Finding]:
    """Everything that is wrong with a policy for this service, its hardware and its load."""
    control, decision = known.control, known.decision
    present = Present(
        interval_s=back.memory.interval_s,
        erlangs=None if decision is None else decision.offered_erlangs,
        mean_input_tokens=control.mean_input_tokens,
        mean_output_tokens=control.mean_output_tokens,
    )
    return findings(policy, known.pool, present)


def refuse(policy: Policy, known: ServiceMemory, back: Backend) -> None:
    """422 with the first reason for which a policy cannot work."""
    reasons = [str(finding) for finding in found(policy, known, back) if finding.refused]
    if reasons:
        more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
        raise HTTPException(422, f"policy: {reasons[0]}{more}")
