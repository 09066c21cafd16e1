"""Overrides in the database: made, in force, lifted, remembered."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from autoscaler.safety.overrides import FLEET, Kind
from autoscaler.store.overrides import METADATA, OverrideStore


@pytest.fixture
def store(engine: sa.Engine) -> Iterator[OverrideStore]:
    yield OverrideStore(engine)
    METADATA.drop_all(engine)


def test_an_override_is_in_force_until_its_end_and_for_whoever_opens_the_store_next(
    store: OverrideStore, engine: sa.Engine
) -> None:
    made = store.make("chat", Kind.PIN, 4, 100.0, 200.0, "ann", "load test")
    assert OverrideStore(engine).in_force(199.0) == [made]
    assert store.in_force(200.0) == []


def test_one_that_is_lifted_is_over_and_says_by_whom(store: OverrideStore) -> None:
    made = store.make("chat", Kind.FREEZE, None, 100.0, 200.0, "ann", "incident")
    lifted = store.lift(made.id, 150.0, "bob")
    assert (lifted.override, lifted.lifted_at_s, lifted.lifted_by) == (made, 150.0, "bob")
    assert store.in_force(151.0) == []
    assert store.lift(made.id, 160.0, "eve").lifted_by == "bob"


def test_one_that_ran_out_cannot_be_lifted_any_more(store: OverrideStore) -> None:
    made = store.make("chat", Kind.FREEZE, None, 100.0, 200.0, "ann", "incident")
    assert store.lift(made.id, 201.0, "bob").lifted_by is None


def test_nobody_lifts_what_is_not_there(store: OverrideStore) -> None:
    with pytest.raises(KeyError, match="no override nothing"):
        store.lift("nothing", 0.0, "ann")


def test_history_is_of_the_service_and_the_fleet_newest_first(store: OverrideStore) -> None:
    made = [
        store.make(name, Kind.AT_LEAST, 2, at, 500.0, "ann", "x") for at, name in enumerate(("chat", FLEET, "code"))
    ]
    assert [kept.override for kept in store.history("chat")] == [made[1], made[0]]
    assert [kept.override for kept in store.history(limit=1)] == [made[2]]
