"""What ``leadtime backtest --prometheus`` plays: the traffic that a Prometheus remembers, instead of trace files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from app.cli import output
from app.cli.explain import moment
from app.errors import UserError

if TYPE_CHECKING:
    from autoscaler.backtest.recorded import Hole
    from runtime.traces import Trace

SPANS_TOLD = 3

LATEST_S = 1e11
"""Later times (year 5138) are milliseconds."""


@dataclass(frozen=True, slots=True)
class History:
    """A server and a span, UTC seconds."""

    url: str
    from_s: float
    to_s: float
    step_s: int

    def trace(self, model: str, seed: int) -> tuple[Trace, tuple[Hole, ...]]:
        """The model's traffic and what is not known of it; raises ``UserError``."""
        from autoscaler.backtest.prometheus import Span, recorded
        from autoscaler.backtest.recorded import HistoryError
        from collectors.prometheus import SourceUnavailable

        try:
            return recorded(Span(self.url, model, self.from_s, self.to_s, self.step_s), seed)
        except (HistoryError, SourceUnavailable) as error:
            raise UserError(str(error)) from None

    def gaps(self, service: str, holes: Sequence[Hole]) -> list[dict[str, Any]]:
        """The holes as JSON has them."""
        return [
            {"service": service, "from_s": h.from_s, "to_s": h.to_s, "steps": round((h.to_s - h.from_s) / self.step_s)}
            for h in holes
        ]


def history(url: str, begin: str | None, end: str | None, step_s: int) -> History:
    """The history that was asked for; raises ``UserError`` where its span is none."""
    if begin is None or end is None:
        raise UserError(f"--prometheus {url}: {'--from' if begin is None else '--to'} is missing; give both times")
    from_s, to_s = _moment("--from", begin), _moment("--to", end)
    if not from_s < to_s:
        raise UserError(f"--from {begin}: not before --to {end}; give an earlier --from")
    return History(url, from_s, to_s, step_s)


def models(named: str | None, services: Sequence[str]) -> dict[str, str]:
    """Model name by service: one of a service's own name is its, else the i-th is the i-th's; alone, the first's."""
    asked = [name.strip() for name in (services[0] if named is None else named).split(",") if name.strip()]
    if not asked or len(asked) > len(services):
        raise UserError(f"--model {named}: {len(asked)} models for {len(services)} services; give at most one for each")
    pairs = [(name if name in services else service, name) for service, name in zip(services, asked, strict=False)]
    if len(dict(pairs)) < len(pairs):
        raise UserError(f"--model {named}: two of them are one service's; name them in the order of the fleet file")
    return dict(pairs)


def tell(service: str, gaps: Sequence[dict[str, Any]], notes: Sequence[str]) -> None:
    """What is missing, on stderr."""
    console = output.err()
    for note in notes:
        console.print(f"{service}: {note}", markup=False, soft_wrap=True)
    if not gaps:
        return
    spans = ", ".join(f"{output.when(g['from_s'])} to {output.when(g['to_s'])}" for g in gaps[:SPANS_TOLD])
    more = f" and {len(gaps) - SPANS_TOLD} more" if len(gaps) > SPANS_TOLD else ""
    steps = sum(gap["steps"] for gap in gaps)
    told = f"{service}: {steps} steps without data, nothing is played in these {len(gaps)} gap(s): {spans}{more} (UTC)"
    console.print(told, markup=False, soft_wrap=True)


def _moment(option: str, text: str) -> float:
    try:
        at_s = moment(text)
    except UserError:
        at_s = math.nan
    if not 0 <= at_s < LATEST_S:
        raise UserError(f"{option} {text}: not a time; give 2026-01-31T14:20 (UTC) or UTC seconds")
    return at_s
