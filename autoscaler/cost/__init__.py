"""What the fleet costs: by the hour now (``now``), and over any span from what was metered (``meter`` to ``account``).

Reading order is data flow: ``meter`` turns a tick into GPU time and tokens, ``store`` keeps them by the hour, ``book``
and ``commitments`` say what an hour costs, ``account`` charges every dollar to somebody, ``figures`` divides it by
tokens. ``energy``, ``budget`` and ``savings`` stand on those. Everything but ``store`` is pure.
"""

from autoscaler.cost.now import HourlyCost, TokenPrice, hourly, hourly_of, per_million_tokens, planned

__all__ = ["HourlyCost", "TokenPrice", "hourly", "hourly_of", "per_million_tokens", "planned"]
