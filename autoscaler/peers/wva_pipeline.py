"""llm-d WVA, from need to replicas: which variants grow or shrink, what the GPUs allow, and scale to zero.

Formulas from reference peers 5.1 with corrections W4 and W5. Pure: every function takes values and returns new ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

COST_WHEN_MISSING = 10.0


@dataclass(frozen=True, slots=True)
class Offer:
    """A variant for the optimiser: price per replica, tokens that one carries, replicas now."""

    name: str
    cost: float
    capacity: float
    current: int

    @property
    def cost_per_token(self) -> float:
        """Price per token of capacity; without capacity it is never worth it."""
        return self.cost / self.capacity if self.capacity > 0 else math.inf


def by_efficiency(offers: Sequence[Offer]) -> list[Offer]:
    """Cheapest per token first."""
    return sorted(offers, key=lambda offer: offer.cost_per_token)


def by_cost(offers: Sequence[Offer], descending: bool = False) -> list[Offer]:
    """Cheapest replica first, or dearest first."""
    return sorted(offers, key=lambda offer: -offer.cost if descending else offer.cost)


def cost_aware(required: float, spare: float, offers: Sequence[Offer]) -> dict[str, int]:
    """Replicas per variant that add ``required`` tokens cheaply or give back ``spare`` tokens of the dearest first."""
    if required > 0:
        return _grow(required, offers)
    return _shrink(spare, offers) if spare > 0 else {offer.name: offer.current for offer in offers}


def _grow(required: float, offers: Sequence[Offer]) -> dict[str, int]:
    result = {offer.name: offer.current for offer in offers}
    for offer in by_efficiency(offers):
        if offer.capacity > 0 and required > 0:
            more = math.ceil(required / offer.capacity)
            result[offer.name] += more
            required -= more * offer.capacity
    return result


def _shrink(spare: float, offers: Sequence[Offer]) -> dict[str, int]:
    """The cheapest variant keeps one replica, but only if no other variant has any left."""
    result = {offer.name: offer.current for offer in offers}
    cheapest = by_cost(offers)[0].name
    for offer in by_cost(offers, descending=True):
        if offer.capacity <= 0:
            continue
        others = sum(count for name, count in result.items() if name != offer.name)
        removable = offer.current - (1 if offer.name == cheapest and others == 0 else 0)
        less = max(0, min(math.floor(spare / offer.capacity), removable))
        result[offer.name] -= less
        spare -= less * offer.capacity
    return result


def merge_limits(limits: Sequence[Mapping[str, int]]) -> dict[str, int]:
    """The tightest GPU limit per accelerator over several sources."""
    merged: dict[str, int] = {}
    for one in limits:
        for accelerator, gpus in one.items():
            merged[accelerator] = min(gpus, merged.get(accelerator, gpus))
    return merged


@dataclass(frozen=True, slots=True)
class Wish:
    """A variant that wants ``target`` replicas; less ``spare`` and then less ``cost`` goes first."""

    name: str
    current: int
    target: int
    gpus: int
    spare: float = 0.0
    cost: float = 0.0
    accelerator: str = ""

    @property
    def gpus_each(self) -> int:
        """GPUs per replica; 0 counts as 1."""
        return self.gpus or 1


@dataclass(frozen=True, slots=True)
class Allotment:
    """Replicas and GPUs that were granted per variant, who got less than wanted, and the GPUs left over."""

    targets: Mapping[str, int]
    allocated: Mapping[str, int]
    limited: tuple[str, ...]
    remaining: int


def greedy(gpus_available: int, wishes: Sequence[Wish]) -> Allotment:
    """Hand out GPUs, the most saturated first; the GPUs of a replica that did not fit whole are not given back (W4)."""
    targets = {wish.name: wish.target for wish in wishes}
    allocated = {wish.name: 0 for wish in wishes}
    limited = []
    for wish in sorted(wishes, key=lambda one: (one.spare, one.cost)):
        wanted = (wish.target - wish.current) * wish.gpus_each
        if wanted <= 0:
            continue
        granted = min(gpus_available, wanted)
        gpus_available -= granted
        replicas = granted // wish.gpus_each
        targets[wish.name] = wish.current + replicas
        allocated[wish.name] = replicas * wish.gpus_each
        if granted < wanted:
            limited.append(wish.name)
    return Allotment(targets, allocated, tuple(limited), gpus_available)


def used_gpus(wishes: Sequence[Wish]) -> dict[str, int]:
    """GPUs in use per accelerator."""
    used: dict[str, int] = {}
    for wish in wishes:
        used[wish.accelerator] = used.get(wish.accelerator, 0) + wish.current * wish.gpus
    return used


def limiter(limits: Mapping[str, int], wishes: Sequence[Wish]) -> Allotment:
    """Greedy within each accelerator's limit less what its replicas already use; ``remaining`` is summed over them."""
    used = used_gpus(wishes)
    parts = [
        greedy(limits.get(kind, 0) - gpus, [wish for wish in wishes if wish.accelerator == kind])
        for kind, gpus in used.items()
    ]
    return Allotment(
        {name: count for part in parts for name, count in part.targets.items()},
        {name: gpus for part in parts for name, gpus in part.allocated.items()},
        tuple(name for part in parts for name in part.limited),
        sum(part.remaining for part in parts),
    )


@dataclass(frozen=True, slots=True)
class Inventory:
    """GPUs per accelerator: what the nodes have, and what is in use."""

    limit: Mapping[str, int]
    used: Mapping[str, int]

    @property
    def available(self) -> dict[str, int]:
        """What is free per accelerator, never below 0."""
        return {kind: max(0, gpus - self.used.get(kind, 0)) for kind, gpus in self.limit.items()}


def inventory(nodes: Sequence[Mapping[str, int]], used: Mapping[str, int]) -> Inventory:
    """The sum over the nodes."""
    kinds = {kind for node in nodes for kind in node}
    return Inventory({kind: sum(node.get(kind, 0) for node in nodes) for kind in kinds}, used)


def allocate(pool: Mapping[str, int], requests: Sequence[tuple[str, int]]) -> tuple[list[int], dict[str, int]]:
    """Grant each request (accelerator, GPUs) in turn what is left of its kind; gives the grants and the rest."""
    rest, granted = dict(pool), []
    for kind, gpus in requests:
        grant = min(rest.get(kind, 0), gpus)
        granted.append(grant)
        if kind in rest:
            rest[kind] -= grant
    return granted, rest


def enforce(
    targets: Mapping[str, int], costs: Mapping[str, float], requests: int | None, zero_allowed: bool
) -> tuple[dict[str, int], bool]:
    """Scale to zero, or keep one (W5): the targets, and whether they were changed.

    ``requests`` came in the retention period; None where that is unknown, which changes nothing.
    """
    if zero_allowed:
        idle = requests == 0
        return {name: 0 if idle else count for name, count in targets.items()}, idle
    if any(targets.values()) or not targets:
        return dict(targets), False
    cheapest = min(targets, key=lambda name: (costs.get(name, COST_WHEN_MISSING), name))
    return {name: int(name == cheapest) for name in targets}, True
