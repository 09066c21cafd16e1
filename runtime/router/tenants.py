"""Who sends, and how much of it they may: quotas by token bucket, told apart by a header or by the API key. Pure.

Promises: a key is never kept or shown, only a short hash of it; what is remembered of senders is bounded, and so are
the names in metrics (those that are configured, and ``other`` for the rest); time is passed in, seconds of any steady
clock.
"""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

ANONYMOUS, OTHER = "anonymous", "other"
MOST_KNOWN = 10_000
"""Senders that are remembered; beyond that, who sent longest ago and has nothing in flight is met anew."""

NAME_CHARACTERS = 128
KEY_HASH_BYTES = 6


@dataclass(frozen=True, slots=True)
class Quota:
    """What one tenant may use at most, None for no bound. ``weight`` is its part of the line beside other tenants;
    ``in_flight`` are requests that were let in and have no end yet, those that are held among them.
    """

    weight: float = 1.0
    requests_per_s: float | None = None
    tokens_per_min: float | None = None
    in_flight: int | None = None


@dataclass(frozen=True, slots=True)
class Tenancy:
    """How tenants are told apart and what each may use; ``default`` is for each one that is not named."""

    header: str = "x-tenant-id"
    quotas: Mapping[str, Quota] = field(default_factory=dict)
    default: Quota = Quota()

    def name(self, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """The sender of a request: the header, else a hash of its key (``printf %s KEY | b2sum -l 48``)."""
        wanted, key = self.header.encode(), b""
        for name, value in headers:
            if name == wanted and value:
                return value[:NAME_CHARACTERS].decode("latin-1")
            if name == b"authorization":
                key = value.removeprefix(b"Bearer ").strip()
        return "key-" + hashlib.blake2b(key, digest_size=KEY_HASH_BYTES).hexdigest() if key else ANONYMOUS


@dataclass(slots=True)
class Bucket:
    """Fills at ``rate`` a second up to ``size``; a debt is paid before anything else is let in."""

    rate: float
    size: float
    level: float
    at_s: float

    @classmethod
    def full(cls, rate: float, size: float, now_s: float) -> Bucket:
        """One that nobody took from yet."""
        return cls(rate, size, size, now_s)

    def wait_s(self, amount: float, now_s: float) -> float:
        """How long until so much may be taken; what is larger than the bucket waits until it is full."""
        self.level = min(self.size, self.level + self.rate * (now_s - self.at_s))
        self.at_s = now_s
        return max(0.0, (min(amount, self.size) - self.level) / self.rate)


@dataclass(slots=True)
class Used:
    """Totals under one name of the metrics; ``in_flight`` is now."""

    requests: int = 0
    tokens: int = 0
    limited: int = 0
    in_flight: int = 0


@dataclass(slots=True)
class Account:
    """What one tenant has left. A second of requests and a minute of tokens may come at once."""

    name: str
    quota: Quota
    used: Used
    requests: Bucket | None = None
    tokens: Bucket | None = None
    in_flight: int = 0

    def agree(self, quota: Quota, now_s: float) -> None:
        """Another quota from now on; bounds that did not change keep their state."""
        old, self.quota = self.quota, quota
        rate, tokens = quota.requests_per_s, quota.tokens_per_min
        if rate != old.requests_per_s:
            self.requests = Bucket.full(rate, max(1.0, rate), now_s) if rate else None
        if tokens != old.tokens_per_min:
            self.tokens = Bucket.full(tokens / 60, tokens, now_s) if tokens else None

    def count_in(self, used: Used) -> None:
        """Be counted under this name of the metrics from now on."""
        self.used.in_flight -= self.in_flight
        used.in_flight += self.in_flight
        self.used = used

    def enter(self, tokens: int, now_s: float) -> tuple[str, int] | None:
        """Let a request of so many tokens in; or tell which bound it is over, and in how many seconds to come again."""
        most = self.quota.in_flight
        told = ("requests in flight", 1.0) if most is not None and self.in_flight >= most else None
        for what, bucket, amount in (("requests/s", self.requests, 1.0), ("tokens/min", self.tokens, tokens)):
            if told is None and bucket and (wait_s := bucket.wait_s(amount, now_s)) > 0:
                told = (what, wait_s)
        if told is not None:
            self.used.limited += 1
            return told[0], math.ceil(told[1])
        if self.requests:
            self.requests.level -= 1
        self.spend(tokens)
        self.in_flight += 1
        self.used.in_flight += 1
        self.used.requests += 1
        return None

    def spend(self, tokens: int) -> None:
        """So many more tokens than were reckoned with; fewer where it is negative."""
        self.used.tokens += tokens
        if self.tokens:
            self.tokens.level -= tokens

    def leave(self) -> None:
        """One request is over."""
        self.in_flight -= 1
        self.used.in_flight -= 1


@dataclass(slots=True)
class Tenants:
    """Everybody who sends."""

    spec: Tenancy = Tenancy()
    accounts: OrderedDict[str, Account] = field(default_factory=OrderedDict)
    used: dict[str, Used] = field(default_factory=dict)

    def configure(self, spec: Tenancy, now_s: float) -> None:
        """Go on with other quotas; what is in flight stays counted."""
        self.spec = spec
        for name in spec.quotas:
            self.used.setdefault(name, Used())
        for account in self.accounts.values():
            account.agree(self._quota(account.name), now_s)
            account.count_in(self._used(account.name))

    def of(self, headers: Iterable[tuple[bytes, bytes]], now_s: float) -> Account:
        """The account of a request's sender."""
        name = self.spec.name(headers)
        account = self.accounts.get(name)
        if account is None:
            account = self.accounts[name] = Account(name, Quota(), self._used(name))
            account.agree(self._quota(name), now_s)
            self._forget()
        self.accounts.move_to_end(name)
        return account

    def _quota(self, name: str) -> Quota:
        return self.spec.quotas.get(name, self.spec.default)

    def _used(self, name: str) -> Used:
        return self.used.setdefault(name if name in self.spec.quotas else OTHER, Used())

    def _forget(self) -> None:
        """Drop who sent longest ago; those with requests in flight are met again at the other end."""
        for _ in range(2):
            if len(self.accounts) <= MOST_KNOWN:
                return
            name, account = self.accounts.popitem(last=False)
            if account.in_flight:
                self.accounts[name] = account
