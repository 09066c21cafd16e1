"""How far the catalogue can be trusted, in figures: fits on what they did not see, transfers on what they did not know.

Three hold-outs for transfer, each with neighbours that a user in that place would have: another parallel size of
a configuration that was measured; another GPU, with everything on that GPU left out; another model, with everything of
that model left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from runtime.catalog import fit
from runtime.catalog.configuration import Configuration
from runtime.catalog.models import known
from runtime.catalog.neighbours import Measured, transfer
from runtime.catalog.store import Catalog
from runtime.catalog.table import Row
from runtime.pool import StepTime

Groups = Mapping[Configuration, Sequence[Row]]
Neighbour = Callable[[Configuration, Configuration], bool]


@dataclass(frozen=True, slots=True)
class Summary:
    """Relative errors of TPOT over ``rows`` rows of ``configurations``: mean, median and 90th percentile, as shares."""

    what: str
    configurations: int
    rows: int
    mean: float
    median: float
    p90: float


def summary(what: str, errors: Sequence[npt.NDArray[np.float64]]) -> Summary | None:
    """Over all configurations' errors; rows without a prediction (NaN) do not count. None where nothing is left."""
    kept = [part[~np.isnan(part)] for part in errors]
    every = np.concatenate([np.empty(0), *kept])
    if not len(every):
        return None
    middle, high = np.percentile(every, (50, 90))
    counted = sum(len(part) > 0 for part in kept)
    return Summary(what, counted, len(every), float(every.mean()), float(middle), float(high))


def fittable(groups: Groups) -> dict[Configuration, list[Row]]:
    """Rows that are not bound by memory, of the configurations that have enough of them."""
    free = {c: [row for row in rows if not fit.bound(row)] for c, rows in groups.items()}
    return {c: rows for c, rows in free.items() if len(rows) >= fit.MIN_ROWS}


def fits(groups: Groups) -> list[Summary]:
    """Errors of the law: in sample, a row left out, a shape left out."""
    every = [fit.errors(rows) for rows in fittable(groups).values()]
    found = (
        summary("in sample", [e.in_sample for e in every]),
        summary("a row left out", [e.left_out for e in every]),
        summary("a shape left out", [e.family_left_out for e in every]),
    )
    return [s for s in found if s is not None]


def _same(one: Configuration, other: Configuration) -> bool:
    return (one.engine, one.model, one.precision) == (other.engine, other.model, other.precision)


TRANSFERS: Mapping[str, tuple[Neighbour, Neighbour]] = {
    "another parallel size": (lambda c, o: c.unversioned != o.unversioned, lambda c, o: _same(c, o) and c.gpu == o.gpu),
    "another GPU": (lambda c, o: c.gpu != o.gpu, _same),
    "another model": (lambda c, o: c.model != o.model, lambda c, o: True),
}
"""For a configuration c: which others o may be used, and of what kind one at least must be among them."""


def transfers(groups: Groups) -> list[Summary]:
    """Errors of transfer to configurations left out."""
    rows = {c: r for c, r in fittable(groups).items() if known(c.model)}
    measured = [Measured(c, fit.fit(r), float(fit.errors(r).left_out.mean())) for c, r in rows.items()]
    found = []
    for what, (usable, needed) in TRANSFERS.items():
        errors = []
        for c, r in rows.items():
            others = [m for m in measured if usable(c, m.configuration)]
            if any(needed(c, o.configuration) for o in others):
                errors.append(_relative(transfer(c, others).step, r))
        found.append(summary(what, errors))
    return [s for s in found if s is not None]


def shipped_errors(catalog: Catalog, groups: Groups) -> list[Summary]:
    """What a catalogue says of these rows: from its own entries, and transferred where it has none."""
    kinds: dict[str, list[npt.NDArray[np.float64]]] = {"catalogue, measured": [], "catalogue, transferred": []}
    for c, rows in groups.items():
        free = [row for row in rows if not fit.bound(row)]
        own = catalog.lookup(c)
        if free and own is not None:
            kinds["catalogue, measured"].append(_relative(own.step, free))
        elif free and known(c.model):
            kinds["catalogue, transferred"].append(_relative(catalog.transfer(c).step, free))
    return [s for what, errors in kinds.items() if (s := summary(what, errors)) is not None]


def _relative(step: StepTime, rows: Sequence[Row]) -> npt.NDArray[np.float64]:
    measured = np.array([row.tpot_ms for row in rows])
    return np.asarray(np.abs(fit.predict_tpot_ms(step, rows) / measured - 1))
