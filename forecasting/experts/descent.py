"""The fit of the network's layers, the one place that needs torch: Adam on the pinball loss, on a GPU if there is one.

Consecutive minutes say much the same, so a week is a few hundred independent samples at best, and what keeps a network
from learning them by heart decides. Measured: dropout of inputs and of hidden units, few passes, and a running mean of
the weights on the way help; stopping by a held-out last part does not, as one day judges badly and is missed for
learning. The same seed gives the same layers on the same kind of machine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn.functional import dropout, softplus

from forecasting.history import Array

HIDDEN = 64
BATCH = 512
RATE = 2e-3
DECAY = 1e-3
DROPPED = 0.3
WARM_UP = 20
"""Steps over which the rate rises before it falls by a cosine."""

AVERAGED = 0.03
"""Weight of the newest weights in their running mean."""


def descend(table: Array, wanted: Array, taus: Sequence[float], epochs: int, seed: int) -> dict[str, Array]:
    """Layers for ``network.forward`` from scaled inputs (n, inputs) and truths (n, horizons), NaN where unknown."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    threads, devices = torch.get_num_threads(), [0] if device == "cuda" else []
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed)
            given = [torch.tensor(array, dtype=torch.float32, device=device) for array in (table, wanted, taus)]
            mean = _descend(given[0], given[1], given[2], epochs)
    finally:
        torch.set_num_threads(threads)
    return {name: layer.cpu().numpy().astype(np.float64) for name, layer in mean.items()}


def _descend(table: Any, wanted: Any, taus: Any, epochs: int) -> dict[str, Any]:
    layers = _layers(table.shape[1], wanted.shape[1], len(taus), table.device)
    mean = {name: layer.detach().clone() for name, layer in layers.items()}
    steps = epochs * math.ceil(len(table) / BATCH)
    adam = torch.optim.AdamW(list(layers.values()), lr=RATE, weight_decay=DECAY, fused=True)
    pace = torch.optim.lr_scheduler.LambdaLR(adam, lambda step: _pace(step, steps))
    step = 0
    for _ in range(epochs):
        for rows in torch.randperm(len(table), device=table.device).split(BATCH):
            adam.zero_grad()
            _loss(_told(layers, table[rows], len(taus)), wanted[rows], taus).backward()
            adam.step()
            pace.step()
            step += 1
            newest = [layer.detach() for layer in layers.values()]
            torch._foreach_lerp_(list(mean.values()), newest, max(AVERAGED, 1 / step))
    return mean


def _layers(inputs: int, horizons: int, taus: int, device: Any) -> dict[str, Any]:
    def drawn(rows: int, columns: int, scale: float) -> Any:
        return scale * math.sqrt(2 / rows) * torch.randn(rows, columns, device=device)

    steps = torch.full((horizons, taus), -1.0, device=device)
    steps[:, 0] = 0.0
    layers = {
        "enter": drawn(inputs, HIDDEN, 1.0),
        "enter_bias": torch.zeros(HIDDEN, device=device),
        "wide": drawn(HIDDEN, HIDDEN, 1.0),
        "wide_bias": torch.zeros(HIDDEN, device=device),
        "back": drawn(HIDDEN, HIDDEN, 0.1),
        "leave": drawn(HIDDEN, horizons * taus, 0.1),
        "leave_bias": steps.reshape(-1),
        "straight": torch.zeros(inputs, horizons * taus, device=device),
    }
    return {name: layer.requires_grad_(True) for name, layer in layers.items()}


def _told(layers: dict[str, Any], table: Any, taus: int) -> Any:
    """As ``network.forward``, with units dropped at random."""
    table = dropout(table, DROPPED)
    hidden = torch.relu(torch.addmm(layers["enter_bias"], table, layers["enter"]))
    hidden = hidden + torch.relu(torch.addmm(layers["wide_bias"], hidden, layers["wide"])) @ layers["back"]
    told = torch.addmm(layers["leave_bias"], dropout(hidden, DROPPED), layers["leave"]) + table @ layers["straight"]
    told = told.view(len(table), -1, taus)
    return torch.cat([told[..., :1], softplus(told[..., 1:])], dim=2).cumsum(dim=2)


def _loss(told: Any, wanted: Any, taus: Any) -> Any:
    over = wanted[..., None] - told
    return torch.nanmean(torch.maximum(taus * over, (taus - 1) * over))


def _pace(step: int, steps: int) -> float:
    return min(1.0, (step + 1) / WARM_UP) * (1 + math.cos(math.pi * step / steps)) / 2
