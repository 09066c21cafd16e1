"""Patience ends what takes too long and nothing else."""

from __future__ import annotations

import asyncio

from runtime.router.patience import Patience


async def test_what_takes_too_long_is_given_up() -> None:
    given_up = asyncio.Event()
    Patience(0.01, given_up.set).begin()
    await asyncio.wait_for(given_up.wait(), 10)


async def test_what_ends_or_begins_anew_is_not() -> None:
    given_up: list[str] = []
    rested, closed, anew = (Patience(0.02, lambda name=name: given_up.append(name)) for name in ("r", "c", "a"))  # type: ignore[misc]
    for each in (rested, closed, anew):
        each.begin()
    rested.rest()
    closed.close()
    anew.most_s = 3600.0
    anew.begin()
    await asyncio.sleep(0.05)
    assert given_up == [] and (rested.timer, closed.timer) == (None, None) and anew.timer is not None
    anew.close()
