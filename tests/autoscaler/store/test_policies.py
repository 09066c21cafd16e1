"""Versions, refusal of stale writes, rollback, diffs and error lines."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from autoscaler.policy import Policy, Replicas
from autoscaler.store.policies import PolicyStore, StaleWrite, Version, as_yaml, check, diff

GROWN = Policy(replicas=Replicas(min=3, max=12))


@pytest.fixture
def store(engine: sa.Engine) -> PolicyStore:
    store = PolicyStore(engine)
    store.seed("chat", Policy())
    return store


def test_the_configuration_seeds_version_one_once(store: PolicyStore) -> None:
    assert store.seed("chat", GROWN).version == 1
    current = store.current("chat")
    assert current is not None and current.policy == Policy()
    assert store.current("code") is None and store.services() == ["chat"]


def test_a_write_makes_the_next_version(store: PolicyStore) -> None:
    store.write("chat", GROWN, 1, "ana", "launch day", 5.0)
    assert store.current("chat") == Version("chat", 2, 5.0, "ana", "launch day", GROWN)
    assert [v.version for v in store.history("chat")] == [2, 1]


@pytest.mark.parametrize("base", [0, 1, 3])
def test_a_write_from_another_version_is_refused(store: PolicyStore, base: int) -> None:
    store.write("chat", GROWN, 1, "ana", "launch day", 5.0)
    with pytest.raises(StaleWrite, match="version 2 is the newest") as refused:
        store.write("chat", Policy(), base, "ben", "back", 6.0)
    assert refused.value.newest == 2
    assert len(store.history("chat")) == 2


def test_of_writes_at_the_same_moment_one_wins(store: PolicyStore) -> None:
    def attempt(n: int) -> bool:
        try:
            store.write("chat", GROWN, 1, f"user-{n}", "race", 5.0)
        except StaleWrite:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(8))) == 1
    assert len(store.history("chat")) == 2


def test_a_rollback_is_a_new_version(store: PolicyStore) -> None:
    store.write("chat", GROWN, 1, "ana", "launch day", 5.0)
    back = store.rollback("chat", 1, 2, "ana", "over", 9.0)
    assert (back.version, back.policy) == (3, Policy())
    with pytest.raises(KeyError, match="no version 8"):
        store.rollback("chat", 8, 3, "ana", "typo", 9.0)


def test_a_diff_names_fields_and_shows_yaml() -> None:
    found = diff(Policy(), GROWN)
    assert [(c.field, c.old, c.new) for c in found.changes] == [("replicas.max", 10, 12), ("replicas.min", 1, 3)]
    assert "-  min: 1" in found.yaml_diff and "+  min: 3" in found.yaml_diff
    assert diff(GROWN, GROWN).changes == () and diff(GROWN, GROWN).yaml_diff == ""
    assert as_yaml(GROWN).startswith("mode: shadow\n")


@pytest.mark.parametrize(
    ("draft", "line"),
    [
        ({"replicas": {"min": 5, "max": 3}}, "replicas: min 5 is greater than max 3; give a min of at most 3"),
        ({"slo": {"ttft_ms": 1}}, "slo.ttft_ms: no such key; known are ttft_s, "),
        ({"repliicas": {}}, "repliicas: no such key; known are mode, "),
        ({"scale_in": {"window_s": "5 min"}}, "scale_in.window_s: Input should be a valid number"),
        ({"paused_until_s": 5}, "paused_until_s is set but mode is not paused"),
        ({"standby": {"min": 5}}, "standby: min 5 is greater than max 4"),
        ({"reactive": {"scale_in_below": 1.5}}, "reactive: scale_in_below 1.5 is greater than"),
    ],
)
def test_errors_are_one_line_each(draft: dict[str, Any], line: str) -> None:
    errors = check(draft)
    assert len(errors) == 1 and errors[0].startswith(line) and "\n" not in errors[0]


def test_a_good_draft_has_no_errors() -> None:
    assert check({"mode": "auto", "replicas": {"min": 2}}) == []
