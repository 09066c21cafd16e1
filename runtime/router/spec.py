"""What a router is told: the services it serves, how they are routed, and the bounds that nobody can pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from runtime.pool import Pool
from runtime.router import bandit
from runtime.router.bandit import BanditSpec
from runtime.router.policies import POLICIES
from runtime.router.sizes import Sizes
from runtime.router.tenants import Tenancy


@dataclass(frozen=True, slots=True)
class Promise:
    """The latency that a service's requests are held to, seconds (DESIGN 3, attainment)."""

    ttft_s: float
    ttft_s_per_1k_tokens: float
    tpot_s: float

    def kept(self, input_tokens: int, output_tokens: int, first_s: float | None, last_s: float) -> bool:
        """Whether the first token came in time and the last by its deadline, both seconds after the arrival; the
        first is None where an answer came whole, which is judged by its end alone.
        """
        in_time = first_s is None or first_s <= self.first_s(input_tokens)
        return in_time and last_s <= self.last_s(input_tokens, output_tokens)

    def first_s(self, input_tokens: int) -> float:
        """When the first token is due, seconds after the arrival."""
        return self.ttft_s + self.ttft_s_per_1k_tokens * input_tokens / 1000

    def last_s(self, input_tokens: int, output_tokens: int) -> float:
        """When the last token is due."""
        return self.first_s(input_tokens) + self.tpot_s * max(0, output_tokens - 1)


@dataclass(frozen=True, slots=True)
class ServiceClass:
    """A class of requests of one service. ``share`` is the part of each replica's room that it may fill; ``promise``
    is its own where it is not the service's.
    """

    name: str
    share: float = 1.0
    promise: Promise | None = None


@dataclass(frozen=True, slots=True)
class RoutedService:
    """A model, by the name that clients give, with its pools by name and the policy among its replicas. The first of
    its ``classes`` goes before the second, and is that of a request that names none.
    """

    name: str
    pools: Mapping[str, Pool]
    promise: Promise
    policy: str = "least-requests"
    classes: tuple[ServiceClass, ...] = (ServiceClass("all"),)
    sizes: Sizes = field(default_factory=Sizes)
    bandit: BanditSpec = field(default_factory=BanditSpec)

    def __post_init__(self) -> None:
        if self.policy == bandit.NAME:
            self.bandit.check(list(self.pools))
        elif self.policy not in POLICIES:
            known = ", ".join((*POLICIES, bandit.NAME))
            raise ValueError(f"service {self.name}: no policy {self.policy!r}; there are {known}")

    def size(self, tokens: int) -> int:
        """The size of a request with that token budget."""
        return self.sizes.need(tokens, self.pools)

    def level(self, name: str | None) -> int:
        """Place of a class, by its name; raises ValueError where there is none of that name."""
        if name is None or len(self.classes) == 1:
            return 0
        names = [each.name for each in self.classes]
        if name not in names:
            raise ValueError(f"no class {name[:100]!r}; there are {', '.join(names)}")
        return names.index(name)

    def share(self, level: int) -> float:
        """The part of each replica's room that a class may fill; of one that is gone by now, the last's."""
        return self.classes[min(level, len(self.classes) - 1)].share

    def promised(self, level: int) -> Promise:
        """What a class is held to."""
        return self.classes[min(level, len(self.classes) - 1)].promise or self.promise


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds, each of one request unless it says otherwise.

    A request is ``held`` while its service has no replica with room, at most so many at once and so long each; a
    replica has room for ``in_flight`` requests. ``body_s`` is for reading the body, ``connect_s`` and ``read_s`` for
    waiting on a replica (``read_s`` between two pieces of an answer, the first included), ``write_s`` for a client to
    take a piece. A replica that failed gets nothing for ``out_s``. A stream whose replica is lost goes on at another at
    most ``continue_streams`` times.
    """

    body_bytes: int = 8 * 2**20
    body_s: float = 30.0
    held: int = 1000
    hold_s: float = 120.0
    in_flight: int = 512
    connect_s: float = 2.0
    read_s: float = 300.0
    write_s: float = 60.0
    out_s: float = 1.0
    continue_streams: int = 1


@dataclass(frozen=True, slots=True)
class RouterSpec:
    """All of it."""

    services: tuple[RoutedService, ...]
    limits: Limits = Limits()
    tenancy: Tenancy = field(default_factory=Tenancy)
    class_header: str = "x-slo-class"
