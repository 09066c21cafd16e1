"""Who is next in the line, and who gives way where it is full."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runtime.router.line import Claim, Line

CLAIMS = st.builds(
    Claim,
    st.sampled_from("abc"),
    st.sampled_from([0.5, 1.0, 2.0]),
    st.integers(0, 1),
    st.integers(0, 1),
    st.integers(1, 5000),
)


def served(line: Line[str], count: int) -> str:
    """The first so many, in their order."""
    made = ""
    for _ in range(count):
        waiter = line.first()
        assert waiter is not None
        line.take(waiter)
        made += waiter.what
    return made


def standing(*claims: Claim) -> Line[str]:
    line: Line[str] = Line()
    for claim in claims:
        line.add(claim, claim.tenant)
    return line


def test_one_tenant_is_served_as_it_came() -> None:
    line: Line[str] = Line()
    for what in "12345":
        line.add(Claim("a", tokens=int(what) * 100), what)
    assert served(line, 5) == "12345"


def test_who_floods_waits_behind_itself() -> None:
    line = standing(*[Claim("a", tokens=100)] * 50, *[Claim("b", tokens=100)] * 3)
    assert served(line, 8) == "abababaa"


def test_tokens_are_shared_and_not_requests() -> None:
    line = standing(*[Claim("a", tokens=300)] * 20, *[Claim("b", tokens=100)] * 20)
    assert served(line, 16).count("b") == 12


def test_weights_are_shares() -> None:
    line = standing(*[Claim("a", 3.0, tokens=100)] * 40, *[Claim("b", tokens=100)] * 40)
    assert 29 <= served(line, 40).count("a") <= 31


def test_who_was_away_has_saved_nothing_up() -> None:
    line = standing(*[Claim("a", tokens=100)] * 40)
    served(line, 20)
    for _ in range(20):
        line.add(Claim("b", tokens=100), "b")
    assert abs(served(line, 20).count("b") - 10) <= 1


def test_a_class_goes_before_the_next_and_a_size_blocks_only_its_own() -> None:
    line = standing(Claim("batch", level=1), Claim("long", size=1), Claim("short"))
    assert [waiter.what if (waiter := line.first(but)) else None for but in ((), {(0, 1)}, {(0, 1), (0, 0)})] == [
        "long",
        "short",
        "batch",
    ]
    assert line.ahead(Claim(level=1)) and line.ahead(Claim(size=1)) and not standing(Claim(level=1)).ahead(Claim())


def test_the_newest_of_who_holds_most_gives_way() -> None:
    line = standing(*[Claim("a")] * 4, Claim("b"))
    leaving = line.giving_way(Claim("b"))
    assert leaving is not None and (leaving.what, leaving.order) == ("a", 4)
    assert line.giving_way(Claim("a")) is None
    assert standing(*[Claim("a", 4.0)] * 4, *[Claim("b")] * 2).giving_way(Claim("c")).what == "b"  # type: ignore[union-attr]


def test_batch_gives_way_to_what_is_urgent_and_never_the_other_way() -> None:
    line = standing(Claim("a", level=1), *[Claim("b")] * 5)
    assert line.giving_way(Claim("b")).what == "a"  # type: ignore[union-attr]
    assert standing(*[Claim("b")] * 5).giving_way(Claim("a", level=1)) is None


@given(st.lists(CLAIMS, max_size=60), st.data())
def test_each_is_taken_once_or_leaves_once(claims: list[Claim], data: st.DataObject) -> None:
    line: Line[int] = Line()
    here = {}
    for i, claim in enumerate(claims):
        here[i] = line.add(claim, i)
        if data.draw(st.booleans()):
            line.leave(here.pop(data.draw(st.sampled_from(sorted(here)))))
    taken = []
    while waiter := line.first():
        line.take(waiter)
        taken.append(waiter.what)
    assert sorted(taken) == sorted(here) and len(line) == 0
    assert (line.heaps, line.ends, dict(line.holding)) == ({}, {}, {})


def test_those_who_gave_way_do_not_pile_up() -> None:
    line = standing(*[Claim("a")] * 5)
    for _ in range(1000):
        leaving = line.giving_way(Claim("b"))
        assert leaving is not None
        line.leave(leaving)
        line.add(Claim("a"), "a")
    assert len(line.heaps[0, 0]) < 200
