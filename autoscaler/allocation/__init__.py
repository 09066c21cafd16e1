"""Which replicas, of which pool, in which tier, for all services at once: least cost under the lines of DESIGN 4.

``allocate`` is the way in; the nouns are in ``terms``. Everything here is pure.
"""

from autoscaler.allocation.allocate import allocate
from autoscaler.allocation.terms import Allocation, Demand, Line, Market, Option, Share, Shortage

__all__ = ["Allocation", "Demand", "Line", "Market", "Option", "Share", "Shortage", "allocate"]
