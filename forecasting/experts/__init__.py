"""The experts, one file each, and where they are registered.

``EXPERTS`` is what every forecaster asks; the network is one of them only where torch, an extra, is there to fit it.
Others are added by a Python entry point of the group ``leadtime.experts`` whose object is an ``Expert``; ``installed``
finds them.
"""

from __future__ import annotations

from importlib.metadata import entry_points

from forecasting.experts.boosted import Boosted
from forecasting.experts.expert import Expert, Model
from forecasting.experts.last_value import LastValue
from forecasting.experts.linear import Linear
from forecasting.experts.network import Network, available
from forecasting.experts.seasonal import Seasonal
from forecasting.experts.smoothed import Smoothed

__all__ = ["EXPERTS", "Expert", "Model", "installed"]

EXPERTS: tuple[Expert, ...] = (
    LastValue(),
    Seasonal(),
    Smoothed(),
    Linear(),
    Boosted(),
    *((Network(),) if available() else ()),
)

GROUP = "leadtime.experts"


def installed() -> tuple[Expert, ...]:
    """Ours, and those that other packages bring along."""
    return (*EXPERTS, *(point.load()() for point in entry_points(group=GROUP)))
