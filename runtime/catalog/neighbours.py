"""Configurations that nobody measured, from the nearest that somebody did.

Every measured configuration says by what factor its four numbers differ from what the data sheets lead one to expect
(``roofline.expected``): how well its engine uses memory, arithmetic and links. A configuration never measured gets
its own expectation, times the mean of those factors over its nearest neighbours, the nearer the heavier. So a, k scale
with bytes over bandwidth, p with FLOPs over arithmetic rate, and what is particular to an engine or a model stays.

Distance is a sum of steps: another engine, model, precision, GPU, another way to split. The steps are judgements;
the error that they make is measured by hold-out (``evaluate``), not assumed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from runtime.catalog import hardware
from runtime.catalog.configuration import Configuration
from runtime.catalog.errors import CatalogError
from runtime.catalog.fit import numbers, step_of
from runtime.catalog.models import Model, known, model
from runtime.catalog.roofline import expected, possible
from runtime.pool import StepTime

NEIGHBOURS = 4
ENGINE, PRECISION, GPU, GENERATION, SPLIT = 1.0, 0.7, 0.5, 0.5, 0.5
MODEL, KIND, SIZE = 0.5, 2.0, 0.25
DOUBLING, VERSION = 0.3, 0.1
"""Distance of a step: another engine, precision, GPU (of another generation: more), split of experts; another model (of
another kind, per doubling of size); each doubling of the GPUs; another version of the engine."""

TRUSTED = 0.2
"""Fits that miss rows left out by more are not transferred from: versions or settings are mixed in them."""

SHARPNESS = 2.0
"""A neighbour's weight falls by e at a distance of half."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A configuration, the numbers that were fitted on it, and their mean error on rows left out, as a share."""

    configuration: Configuration
    step: StepTime
    left_out_error: float


@dataclass(frozen=True, slots=True)
class Transferred:
    """Numbers for a configuration not measured, and whose they are: (name, weight), the nearest first."""

    configuration: Configuration
    step: StepTime
    sources: tuple[tuple[str, float], ...]


def distance(one: Configuration, other: Configuration) -> float:
    """How unlike two configurations are; 0 for equal ones. Both models and GPUs must be known."""
    first, second = hardware.gpu(one.gpu), hardware.gpu(other.gpu)
    total = ENGINE * (one.engine != other.engine) + PRECISION * (one.precision != other.precision)
    total += GPU * (first != second) + GENERATION * (first.blackwell != second.blackwell)
    total += SPLIT * ((one.data_parallel > 1, one.moe_expert > 1) != (other.data_parallel > 1, other.moe_expert > 1))
    total += VERSION * (one.engine_version != other.engine_version)
    total += DOUBLING * abs(math.log2(one.gpus / other.gpus))
    return total + (_model_distance(model(one.model), model(other.model)) if one.model != other.model else 0.0)


def _model_distance(one: Model, other: Model) -> float:
    kind = (one.active_b < one.parameters_b) != (other.active_b < other.parameters_b)
    return MODEL + KIND * kind + SIZE * abs(math.log2(one.active_b / other.active_b))


def _usable(measured: Measured) -> bool:
    """Known, well fitted, and not faster than its GPU can be."""
    c = measured.configuration
    return known(c.model) is not None and measured.left_out_error <= TRUSTED and possible(c, measured.step)


def transfer(target: Configuration, measured: Sequence[Measured]) -> Transferred:
    """The four numbers of ``target`` from its nearest neighbours in ``measured``, itself never among them.

    Raises CatalogError where its model or GPU is not known, or there is no neighbour at all.
    """
    base = numbers(expected(target))
    others = [m for m in measured if m.configuration != target and _usable(m)]
    if not others:
        raise CatalogError(f"{target.name}: nothing measured to transfer from; fit a table first")
    near = sorted(others, key=lambda m: (distance(target, m.configuration), m.configuration.name))[:NEIGHBOURS]
    weights = np.exp([-SHARPNESS * distance(target, m.configuration) for m in near])
    weights /= weights.sum()
    factors = np.array([numbers(m.step) / numbers(expected(m.configuration)) for m in near])
    sources = tuple((m.configuration.name, float(w)) for m, w in zip(near, weights, strict=True))
    return Transferred(target, step_of(base * (weights @ factors)), sources)
