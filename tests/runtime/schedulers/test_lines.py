"""Waiting lines against a plain list."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.schedulers.lines import FIRST, Entry, Lines


def entry(ticket: int, line: int, blocks: int = 1) -> Entry[str]:
    return Entry(f"r{ticket}", ticket, float(ticket), line, 10 * line, blocks)


@given(st.lists(st.integers(1, 4), max_size=12), st.data())
def test_heads_order_and_demand_are_those_of_a_list(classes: list[int], data: st.DataObject) -> None:
    lines: Lines[str] = Lines()
    kept = [entry(ticket, line, ticket) for ticket, line in enumerate(classes)]
    for one in kept:
        lines.append(one)
    for at in sorted(data.draw(st.sets(st.integers(0, 11)), "gone") & set(range(len(kept))), reverse=True):
        lines.remove(kept.pop(at))
    assert list(lines) == kept and len(lines) == len(kept)
    assert lines.demand_blocks == sum(one.demand_blocks for one in kept)
    first = {one.line: one for one in reversed(kept)}
    assert {one.line: one for one in lines.heads()} == first


def test_who_was_preempted_last_goes_first() -> None:
    lines: Lines[str] = Lines()
    lines.append(entry(1, 3))
    assert lines.preempted() is None
    for ticket in (5, 4):
        lines.put_first(entry(ticket, FIRST))
    first = lines.preempted()
    assert first is not None and first.ticket == 4
    assert [one.ticket for one in lines] == [4, 5, 1]
    assert [one.ticket for one in lines.heads()] == [1]


def test_who_could_not_join_goes_back_to_its_place() -> None:
    lines: Lines[str] = Lines()
    for ticket in (1, 2):
        lines.append(entry(ticket, 3))
    (head,) = lines.heads()
    lines.remove(head)
    lines.put_first(head)
    assert [one.ticket for one in lines] == [1, 2]


def test_a_new_demand_changes_the_sum() -> None:
    lines: Lines[str] = Lines()
    one = entry(1, 1, 5)
    lines.append(one)
    lines.demand(one, 9)
    assert lines.demand_blocks == one.demand_blocks == 9
    lines.remove(one)
    assert lines.demand_blocks == 0 and one not in lines
    with pytest.raises(KeyError):
        lines.remove(one)
