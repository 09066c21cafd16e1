"""Trials in the store: one open one of each kind per service, and nothing that was ended comes back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import sqlalchemy as sa

from autoscaler.attainment import Sample
from autoscaler.canary.watch import Before, Outcome, begin, ended, step
from autoscaler.policy import Policy
from autoscaler.shadow import run
from autoscaler.store.trials import METADATA, Trials
from tests.autoscaler.cases import AUTO, NOW_S, state


@pytest.fixture
def trials(engine: sa.Engine) -> Iterator[Trials]:
    yield Trials(engine)
    METADATA.drop_all(engine)


def shadow(number: int, policy: Policy = AUTO) -> run.Shadow:
    return run.begin(number, policy, "ada", "try it", state(3), 1, NOW_S)


def test_what_is_kept_comes_back_as_it_was(trials: Trials) -> None:
    assert trials.shadows.newest("chat") is None
    assert trials.shadows.put(shadow(1), replaces_open=False)
    watch = step(begin("chat", 2, 1, 0.99, 1800.0, NOW_S), Sample(NOW_S + 9, 9.0, 5.0, 1.0), Before(), NOW_S + 9)
    assert trials.watches.put(watch, replaces_open=True)
    assert trials.shadows.newest("chat") == shadow(1)
    assert trials.watches.all() == {"chat": watch}


def test_an_open_candidate_is_not_replaced_and_an_ended_one_is(trials: Trials) -> None:
    trials.shadows.put(shadow(1), replaces_open=False)
    assert not trials.shadows.put(shadow(2), replaces_open=False)
    assert trials.shadows.keep(replace(shadow(1), ended_at_s=NOW_S))
    assert trials.shadows.put(shadow(2), replaces_open=False)
    assert trials.shadows.all() == {"chat": shadow(2)}


def test_the_loop_does_not_bring_back_what_was_ended_or_replaced(trials: Trials) -> None:
    watch = begin("chat", 2, 1, 0.99, 1800.0, NOW_S)
    trials.watches.put(watch, replaces_open=True)
    over = ended(watch, Outcome.ENDED, "by ada", NOW_S)
    assert trials.watches.keep(over)
    assert not trials.watches.keep(watch)
    assert trials.watches.newest("chat") == over
    trials.watches.put(replace(watch, version=3), replaces_open=True)
    assert not trials.watches.keep(watch)
