"""A row of the catalogue: a configuration, its four numbers, where they come from and how far they reach.

Promise: nothing in it is nameless. Measured entries carry the source, the span of dates, the engine's version, three
errors and the range of lengths and concurrency that was measured; transferred ones say from whom.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from runtime.catalog import fit
from runtime.catalog.capacity import engine_limits, kv_tokens
from runtime.catalog.configuration import Configuration
from runtime.catalog.errors import CatalogError
from runtime.catalog.roofline import possible
from runtime.catalog.table import Row
from runtime.pool import LeadTime, Pool, StepTime
from runtime.replica import Tier

BLOCK_TOKENS = 16


@dataclass(frozen=True, slots=True)
class Validity:
    """What was measured: least and most input tokens, output tokens and concurrency; rows, shapes, rows set aside.

    A shape is a pair of lengths. ``bound_rows`` were not fitted, since requests waited for KV memory in them.
    """

    input_tokens: tuple[int, int]
    output_tokens: tuple[int, int]
    concurrency: tuple[int, int]
    rows: int
    shapes: int
    bound_rows: int

    @property
    def identified(self) -> bool:
        """Enough shapes to tell the four numbers apart; otherwise they lean on the data sheet."""
        return self.shapes >= fit.MIN_SHAPES


@dataclass(frozen=True, slots=True)
class Quality:
    """Mean relative error of TPOT: on the rows fitted, on a row left out, on a shape left out (None with one shape)."""

    in_sample: float
    left_out: float
    shape_left_out: float | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One configuration of the catalogue.

    ``kv_tokens`` is an estimate (see ``capacity``), None for an unknown model. ``measured_from`` and
    ``measured_until`` are dates as the source gives them, empty where it gives none. ``quality`` and ``validity`` are
    None on a transferred entry, whose ``source`` names the entries it comes from.
    """

    configuration: Configuration
    step: StepTime
    kv_tokens: int | None
    quality: Quality | None
    validity: Validity | None
    measured_from: str
    measured_until: str
    source: str

    @property
    def name(self) -> str:
        """The configuration's name."""
        return self.configuration.name

    @property
    def possible(self) -> bool:
        """False where prefill is faster than the GPU's arithmetic (see ``roofline.possible``)."""
        return possible(self.configuration, self.step)

    def pool(
        self,
        service: str,
        price_usd_per_gpu_hour: float,
        lead_times: Mapping[Tier, LeadTime],
        kv_tokens: int | None = None,
    ) -> Pool:
        """A pool that runs this configuration for a service, with vLLM's default limits for its GPU.

        ``kv_tokens`` overrides the estimate. Raises CatalogError where the capacity is not known or the weights leave
        no room.
        """
        room = self.kv_tokens if kv_tokens is None else kv_tokens
        if room is None or room < 2 * BLOCK_TOKENS:
            why = "model's shape is not known" if room is None else f"weights leave room for {room} KV tokens"
            raise CatalogError(f"{self.name}: {why}; give kv_tokens as the engine reports it, or another GPU")
        c = self.configuration
        batched, sequences = engine_limits(c.gpu)
        return Pool(
            name="-".join((c.model.rsplit("/", 1)[-1], c.precision, c.gpu, c.name.rsplit("/", 1)[-1])).lower(),
            service=service,
            engine=c.engine,
            gpu=c.gpu,
            gpus_per_replica=c.gpus,
            price_usd_per_gpu_hour=price_usd_per_gpu_hour,
            step=self.step,
            kv_blocks=room // BLOCK_TOKENS,
            block_tokens=BLOCK_TOKENS,
            max_num_seqs=sequences,
            max_batched_tokens=batched,
            lead_times=dict(lead_times),
        )


def fitted(rows: Sequence[Row], source: str) -> Entry | None:
    """The entry of one configuration's rows; None where fewer than ``fit.MIN_ROWS`` can be fitted."""
    free = [row for row in rows if not fit.bound(row)]
    if len(free) < fit.MIN_ROWS:
        return None
    dates = sorted(row.measured for row in free if row.measured)
    return Entry(
        configuration=free[0].configuration,
        step=fit.fit(free),
        kv_tokens=kv_tokens(free[0].configuration),
        quality=_quality(fit.errors(free)),
        validity=_validity(free, len(rows) - len(free)),
        measured_from=dates[0] if dates else "",
        measured_until=dates[-1] if dates else "",
        source=source,
    )


def _quality(errors: fit.Errors) -> Quality:
    shape = errors.family_left_out[~np.isnan(errors.family_left_out)]
    return Quality(float(errors.in_sample.mean()), float(errors.left_out.mean()), _mean_or_none(shape))


def _mean_or_none(values: npt.NDArray[np.float64]) -> float | None:
    return float(values.mean()) if len(values) else None


def _validity(rows: Sequence[Row], bound_rows: int) -> Validity:
    inputs, outputs = [row.input_tokens for row in rows], [row.output_tokens for row in rows]
    concurrency = [row.concurrency for row in rows]
    return Validity(
        (min(inputs), max(inputs)),
        (min(outputs), max(outputs)),
        (min(concurrency), max(concurrency)),
        len(rows),
        len({row.shape for row in rows}),
        bound_rows,
    )
