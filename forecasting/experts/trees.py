"""Boosted trees as plain numbers: flattened after a fit, stored without pickle, added up by a small kernel of our own.

scikit-learn grows the trees; what is kept of them is a table of nodes. So a model outlives the library that fitted it,
nothing is executed when it is read, and an answer for one origin takes microseconds, where a call into the library
takes a millisecond per ensemble.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecasting.experts.expert import Model
from forecasting.history import Array
from forecasting.jit import jit

LEAF = -1.0
"""What stands for the feature of a node that asks nothing."""

COLUMNS = ("feature", "threshold", "left", "right", "missing_left", "value")


def flatten(ensembles: Sequence[Sequence[Any]]) -> Model:
    """Models of ``HistGradientBoostingRegressor``, fitted, (a, b), with equally many trees each, as three arrays.

    ``nodes`` (nodes, 6) with the ``COLUMNS``, ``roots`` (a, b, trees): the row at which a tree begins, and
    ``baseline`` (a, b): what the trees are added to. Categorical splits are not known here.
    """
    tables: list[Array] = []
    roots, count = [], 0
    for row in ensembles:
        for ensemble in row:
            for (tree,) in ensemble._predictors:
                tables.append(_table(tree.nodes, count))
                roots.append(count)
                count += len(tree.nodes)
    shape = (len(ensembles), len(ensembles[0]))
    baseline = [[ensemble._baseline_prediction.item() for ensemble in row] for row in ensembles]
    return {
        "nodes": np.concatenate(tables),
        "roots": np.array(roots, dtype=np.float64).reshape(*shape, -1),
        "baseline": np.array(baseline, dtype=np.float64),
    }


def add_up(model: Model, table: Array, row: int) -> Array:
    """What the ensembles of that row say about each line of ``table`` (n, features): (n, b)."""
    said = np.empty((len(table), model["baseline"].shape[1]))
    _add_up(model["nodes"], model["roots"][row], model["baseline"][row], np.ascontiguousarray(table), said)
    return said


def _table(nodes: NDArray[np.void], offset: int) -> Array:
    """One tree's rows; its children count from the tree's first row, ours from the table's."""
    table = np.empty((len(nodes), len(COLUMNS)))
    table[:, 0] = np.where(nodes["is_leaf"], LEAF, nodes["feature_idx"])
    table[:, 1] = nodes["num_threshold"]
    table[:, 2] = nodes["left"].astype(np.float64) + offset
    table[:, 3] = nodes["right"].astype(np.float64) + offset
    table[:, 4] = nodes["missing_go_to_left"]
    table[:, 5] = nodes["value"]
    return table


@jit
def _add_up(nodes: Array, roots: Array, baseline: Array, table: Array, said: Array) -> None:
    for line in range(len(table)):
        for ensemble in range(len(baseline)):
            total = baseline[ensemble]
            for root in roots[ensemble]:
                at = int(root)
                while nodes[at, 0] >= 0.0:
                    value = table[line, int(nodes[at, 0])]
                    left = nodes[at, 4] > 0.0 if np.isnan(value) else value <= nodes[at, 1]
                    at = int(nodes[at, 2]) if left else int(nodes[at, 3])
                total += nodes[at, 5]
            said[line, ensemble] = total
