"""Live and candidate against each other, in figures and in one sentence. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from autoscaler.shadow.run import Difference, Shadow, Side


@dataclass(frozen=True, slots=True)
class Figures:
    """One policy over the time both ran; shares are None where there is nothing to go by.

    ``attainment_estimate`` is the fluid rule's, alike for both; ``attainment_measured`` exists for the live fleet only.
    """

    gpu_hours: float
    cost_usd: float
    attainment_estimate: float | None
    attainment_measured: float | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What a candidate would have done, against what the live policy did; times in seconds."""

    both_s: float
    disagreed_s: float
    more_s: float
    fewer_s: float
    unknown_s: float
    missed_s: float
    live: Figures
    candidate: Figures
    differences: tuple[Difference, ...]
    sentence: str


def report(shadow: Shadow) -> Report:
    """The disagreement so far."""
    tally = shadow.tally
    measured = 1 - tally.late / tally.measured if tally.measured > 0 else None
    live = _figures(tally.live, tally.estimated, measured)
    candidate = _figures(tally.candidate, tally.estimated)
    disagreed_s = tally.more_s + tally.fewer_s
    return Report(
        both_s=tally.both_s,
        disagreed_s=disagreed_s,
        more_s=tally.more_s,
        fewer_s=tally.fewer_s,
        unknown_s=tally.unknown_s,
        missed_s=tally.missed_s,
        live=live,
        candidate=candidate,
        differences=tally.differences,
        sentence=_sentence(live, candidate, tally.both_s, disagreed_s),
    )


def _figures(side: Side, requests: float, measured: float | None = None) -> Figures:
    share = side.in_time / requests if requests > 0 else None
    return Figures(side.gpu_s / 3600, side.cost_usd, share, measured)


def _sentence(live: Figures, candidate: Figures, both_s: float, disagreed_s: float) -> str:
    if both_s <= 0:
        return "Nothing to compare yet: the candidate decides at the next tick."
    more = candidate.cost_usd - live.cost_usd
    relative = f" ({abs(more) / live.cost_usd:.1%})" if live.cost_usd > 0 else ""
    money = f"${abs(more):,.2f}{relative} {'more' if more > 0 else 'less'}" if round(abs(more), 2) else "the same"
    gpu_hours = f"{candidate.gpu_hours:.1f} against {live.gpu_hours:.1f} GPU-hours"
    apart = f"they disagreed in {disagreed_s / 60:.0f} of {both_s / 60:.0f} minutes"
    return f"The candidate would have cost {money}, {gpu_hours}; {_attained(live, candidate)}; {apart}."


def _attained(live: Figures, candidate: Figures) -> str:
    if live.attainment_estimate is None or candidate.attainment_estimate is None:
        return "no load was known, so nothing is said of attainment"
    measured = "" if live.attainment_measured is None else f" (measured {live.attainment_measured:.2%})"
    return f"estimated attainment {candidate.attainment_estimate:.2%} against {live.attainment_estimate:.2%}{measured}"
