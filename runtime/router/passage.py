"""One request on its way through one replica, and what it does to that replica's account.

Promise: whatever order these are called in, and however often, the account is as before once ``end`` was called,
totals aside. Time is passed in, seconds of any steady clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from runtime.router.bandit import Arm
from runtime.router.load import Asked, Load


class End(Enum):
    """How an answer that began came to its end."""

    WHOLE = "whole"
    REFUSED = "refused"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Done:
    """An answer that was passed on, and how it ended; times of the steady clock, the first None if it came whole."""

    end: End
    output_tokens: int
    first_s: float | None
    last_s: float


@dataclass(slots=True)
class Passage:
    """A request that was sent; ``send`` makes one. ``arm`` is the bandit's, where one chose."""

    load: Load
    asked: Asked
    uncached: int
    expected: int
    sent_s: float = 0.0
    arm: Arm | None = None
    written: int = 0
    began: bool = False
    over: bool = False

    def begin(self) -> None:
        """Its prefill is done: the first token came, or must have come where nothing is streamed."""
        if self.began or self.over:
            return
        self.began = True
        load = self.load
        load.waiting -= 1
        load.running += 1
        load.unprefilled -= self.uncached
        load.kv_tokens += self.asked.input_tokens
        load.cached.add(self.asked)

    def write(self, tokens: int) -> None:
        """So many more tokens came."""
        if tokens <= 0 or self.over:
            return
        self.begin()
        self.written += tokens
        self.load.kv_tokens += tokens
        self.load.written_tokens += tokens

    def end(self, now_s: float) -> None:
        """It is over, one way or the other."""
        if self.over:
            return
        self.over = True
        load = self.load
        load.in_flight_tokens -= self.asked.input_tokens + self.expected
        if self.began:
            load.running -= 1
            load.kv_tokens -= self.asked.input_tokens + self.written
            load.released_tokens += self.uncached + self.written
            load.ended += 1
        else:
            load.waiting -= 1
            load.unprefilled -= self.uncached
        if load.requests == 0:
            load.busy_s += now_s - load.busy_since_s


def send(load: Load, asked: Asked, now_s: float, arm: Arm | None = None) -> Passage:
    """Account for a request the moment it is sent."""
    expected = int(load.output_tokens) if load.ended else 0
    if asked.most_output_tokens is not None:
        expected = min(expected, asked.most_output_tokens)
    if load.requests == 0:
        load.busy_since_s = now_s
    uncached = asked.input_tokens - load.cached.tokens(asked)
    load.waiting += 1
    load.unprefilled += uncached
    load.in_flight_tokens += asked.input_tokens + expected
    return Passage(load, asked, uncached, expected, now_s, arm)
