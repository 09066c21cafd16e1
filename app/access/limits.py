"""How much one caller may ask: a token bucket each, and a bound on what is kept of them.

Pure but for the table itself; time is passed in. Worked example: 50 a second and a burst of 200 let a page ask 200
things at once, and 50 more each second after.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass, field

MOST = 10_000
"""Callers remembered; the one that was silent longest is forgotten first, and starts with a full bucket."""


@dataclass(frozen=True, slots=True)
class Rate:
    """``per_s`` requests a second for good, and ``burst`` at once."""

    per_s: float
    burst: int


@dataclass(slots=True)
class Buckets:
    """What is left to each caller."""

    rate: Rate
    most: int = MOST
    _left: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)

    def take(self, caller: str, now_s: float) -> float:
        """Take one; gives the seconds to wait until there is one, 0 where it was taken."""
        left, at_s = self._left.pop(caller, (float(self.rate.burst), now_s))
        left = min(float(self.rate.burst), left + max(0.0, now_s - at_s) * self.rate.per_s)
        taken = left >= 1.0
        self._left[caller] = (left - 1.0 if taken else left, now_s)
        while len(self._left) > self.most:
            self._left.popitem(last=False)
        return 0.0 if taken else (1.0 - left) / self.rate.per_s

    def __len__(self) -> int:
        return len(self._left)


@dataclass(frozen=True, slots=True)
class Limits:
    """Requests per caller, and refused credentials per address."""

    requests: Buckets
    failures: Buckets


def neighbourhood(address: str) -> str:
    """Whose an address is: an IPv6 host may have as many as it likes within its /64."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 4 or found.ipv4_mapped:
        return str(found.ipv4_mapped or found) if found.version == 6 else str(found)
    return str(ipaddress.ip_network((found, 64), strict=False).network_address)
