"""The five-second strip: six tiles that say how the fleet is doing, worst news in words.

``fleet_tiles`` is pure; each tile carries its verdict as a word and an icon, so colour is never the only sign.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from app.api.schemas.fleet import AttentionItem, FleetView
from app.api.schemas.services import ServiceRow
from app.console import format

Test = Callable[[float], bool]
Verdict = Literal["good", "warning", "bad", "neutral", "unknown"]

ICONS: dict[Verdict, str] = {
    "good": ":material/check_circle:",
    "warning": ":material/warning:",
    "bad": ":material/error:",
    "neutral": ":material/info:",
    "unknown": ":material/help:",
}
COLOURS: dict[Verdict, Literal["green", "orange", "red", "gray"]] = {
    "good": "green",
    "warning": "orange",
    "bad": "red",
    "neutral": "gray",
    "unknown": "gray",
}

ATTAINMENT_GOOD, ATTAINMENT_BAD = 0.99, 0.95
RISK_GOOD, RISK_BAD = 0.05, 0.25


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile: ``value`` large, ``note`` under it with the verdict's icon, ``points`` as a sparkline."""

    label: str
    value: str
    note: str
    verdict: Verdict
    points: tuple[float | None, ...]
    help: str


def fleet_tiles(view: FleetView) -> list[Tile]:
    """The six tiles of the fleet page."""
    return [
        attainment_tile(view),
        cost_tile(view),
        gpu_tile(view),
        replica_tile(view),
        standby_tile(view),
        shortfall_tile(view.risk_of_shortfall, sparkline(view, "risk_of_shortfall")),
    ]


def attainment_tile(view: FleetView) -> Tile:
    """The service that does worst."""
    worst = min(
        (row for row in view.services if row.attainment is not None),
        key=lambda row: row.attainment or 0.0,
        default=None,
    )
    share = view.attainment if worst is None else worst.attainment
    verdict = graded(share, lambda x: x >= ATTAINMENT_GOOD, lambda x: x < ATTAINMENT_BAD)
    return Tile(
        "Worst attainment",
        format.percent(share, 2),
        worst.service if worst else "no requests judged yet",
        verdict,
        sparkline(view, "attainment"),
        "Share of requests whose first and last token came in time, in the service that does worst.",
    )


def cost_tile(view: FleetView) -> Tile:
    """What a million tokens cost, idle and standby capacity included."""
    return Tile(
        "\\$ per 1M tokens",
        format.usd(view.usd_per_million_tokens),
        f"{format.usd(view.usd_per_hour)} per hour",
        "unknown" if view.usd_per_million_tokens is None else "neutral",
        sparkline(view, "usd_per_million_tokens"),
        "All replicas' GPUs, idle and standby included, over all input and output tokens.",
    )


def gpu_tile(view: FleetView) -> Tile:
    """GPUs by use."""
    gpus = view.gpus
    verdict: Verdict = "bad" if gpus.faulty else "neutral"
    note = f"{gpus.faulty} faulty" if gpus.faulty else f"{gpus.busy + gpus.idle_held + gpus.idle} in all"
    return Tile(
        "GPUs busy/held/idle",
        f"{gpus.busy} / {gpus.idle_held} / {gpus.idle}",
        note,
        verdict,
        sparkline(view, "gpus_busy"),
        "Busy with requests; held by a replica that does nothing; free. The line shows busy GPUs.",
    )


def replica_tile(view: FleetView) -> Tile:
    """Replicas in rotation and how many there should be."""
    desired = view.replicas_desired
    missing = 0 if desired is None else desired - view.replicas_active
    verdict: Verdict = "unknown" if desired is None else "good" if missing == 0 else "neutral"
    note = "as wanted" if not missing else f"{missing} on their way" if missing > 0 else f"{-missing} to go"
    return Tile(
        "Replicas → wanted",
        f"{view.replicas_active} → {format.DASH if desired is None else desired}",
        "not decided yet" if desired is None else note,
        verdict,
        sparkline(view, "replicas_active"),
        "Replicas in rotation, and what the last decisions ask for.",
    )


def standby_tile(view: FleetView) -> Tile:
    """Spare replicas that can be in rotation in milliseconds."""
    return Tile(
        "Standby ready",
        str(view.standby_ready),
        f"{view.asleep} asleep",
        "good" if view.standby_ready + view.asleep else "neutral",
        sparkline(view, "standby_ready"),
        "Loaded replicas out of rotation: ready in milliseconds. Sleeping ones take seconds.",
    )


def shortfall_tile(risk: float | None, points: tuple[float | None, ...]) -> Tile:
    """The chance of being short before a new replica could be there."""
    verdict = graded(risk, lambda x: x <= RISK_GOOD, lambda x: x > RISK_BAD)
    words = {"good": "low", "warning": "raised", "bad": "high"}
    return Tile(
        "Risk of shortfall",
        format.percent(risk),
        words.get(verdict, "no forecast yet"),
        verdict,
        points,
        "Probability that demand exceeds what can be ready within the lead time of a new replica.",
    )


def graded(value: float | None, good: Test, bad: Test) -> Verdict:
    """The verdict on a value that may be unknown."""
    if value is None:
        return "unknown"
    return "good" if good(value) else "bad" if bad(value) else "warning"


def sparkline(view: FleetView, name: str) -> tuple[float | None, ...]:
    """The named sparkline; empty where nothing of it is known."""
    points = view.sparklines.get(name, [])
    return tuple(points) if any(point is not None for point in points) else ()


def ordered(items: Sequence[AttentionItem]) -> list[AttentionItem]:
    """Worst first; the API's order within a severity."""
    rank = {"critical": 0, "warning": 1, "info": 2}
    return sorted(items, key=lambda item: rank[item.severity])


def service_tiles(row: ServiceRow) -> list[Tile]:
    """The strip of the service page."""
    replicas = row.replicas
    desired = format.DASH if replicas.desired_active is None else str(replicas.desired_active)
    moving = replicas.launching + replicas.waking
    judged = graded(row.attainment, lambda x: x >= ATTAINMENT_GOOD, lambda x: x < ATTAINMENT_BAD)
    return [
        Tile(
            "Attainment",
            format.percent(row.attainment, 2),
            {"good": "well", "warning": "slipping", "bad": "too low"}.get(judged, "no requests judged yet"),
            judged,
            (),
            "Share of requests whose first and last token came in time.",
        ),
        Tile(
            "Replicas → wanted",
            f"{replicas.active} → {desired}",
            f"{moving} on their way" if moving else f"between {row.min_replicas} and {row.max_replicas}",
            "bad" if replicas.failed else "neutral",
            (),
            "Replicas in rotation, and what the last decision asks for.",
        ),
        Tile(
            "Standby / asleep",
            f"{replicas.standby} / {replicas.asleep}",
            f"mode {row.mode}",
            "neutral",
            (),
            "Spare replicas: ready in milliseconds / in seconds.",
        ),
        Tile(
            "Offered / capacity",
            f"{format.number(row.offered_erlangs)} / {format.number(row.capacity_erlangs)}",
            "erlangs",
            "unknown" if row.offered_erlangs is None else "neutral",
            (),
            "Work arriving per second against what the replicas in rotation can do within the SLO.",
        ),
        Tile(
            "\\$ per 1M tokens",
            format.usd(row.usd_per_million_tokens),
            f"{format.usd(row.usd_per_hour)} per hour",
            "unknown" if row.usd_per_million_tokens is None else "neutral",
            (),
            "All replicas of the service, spare ones included, over all tokens.",
        ),
        shortfall_tile(row.risk_of_shortfall, ()),
    ]


def headroom_words(row: ServiceRow) -> str:
    """``29 % headroom``, ``12 % short``, or that it is not known."""
    if row.offered_erlangs is None or not row.capacity_erlangs:
        return "headroom not known"
    spare = 1 - row.offered_erlangs / row.capacity_erlangs
    return f"{format.percent(spare, 0)} headroom" if spare >= 0 else f"{format.percent(-spare, 0)} short"


def latency_words(p90_s: float | None, target_s: float) -> str:
    """``P90 585 ms, within the target of 2 s``, or that it is not known."""
    if p90_s is None:
        return f"P90 not known, target {format.latency(target_s)}"
    side = "within" if p90_s <= target_s else "above"
    return f"P90 {format.latency(p90_s)}, {side} the target of {format.latency(target_s)}"
