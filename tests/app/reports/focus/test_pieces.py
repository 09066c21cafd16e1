"""Cutting loses nothing: what pieces cost sums to each line of the account, and purchases to what they pay for."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.reports.focus.pieces import Kind, Piece, pieces
from autoscaler.cost.account import PARTS, Terms
from autoscaler.cost.book import PriceBook
from autoscaler.cost.commitments import Commitment
from tests.app.reports.focus.cases import END_S, PLACED, ROWS, SKU, TERMS, YEAR, charges
from tests.autoscaler.cost.cases import HOUR, Row, one, rows

commitments = st.lists(st.tuples(st.integers(0, 900), st.integers(0, 9_000_000)), max_size=3).map(
    lambda drawn: tuple(Commitment(f"c{at}", SKU, gpus, usd / 1e6, 0.0, END_S) for at, (gpus, usd) in enumerate(drawn))
)
terms = st.builds(
    lambda bought, platform: Terms(PriceBook(()), PLACED, bought, platform / 1e6),
    commitments,
    st.integers(0, 5_000_000),
)


def numbers(piece: Piece) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array([*piece.parts, piece.marginal_nano or 0])


@given(terms, rows)
def test_pieces_sum_to_the_lines_they_are_cut_from(drawn: Terms, held: list[Row]) -> None:
    made = charges(drawn, held)
    sums: dict[tuple[int, str, str], np.ndarray[tuple[int], np.dtype[np.int64]]] = defaultdict(
        lambda: np.zeros(len(PARTS) + 1, dtype=np.int64)
    )
    for piece in pieces(made, drawn):
        assert piece.nano >= 0 and piece.listed_nano >= 0 and piece.gpu_ms >= 0
        sums[piece.hour_s, piece.service, piece.pool] += numbers(piece)
    lines = made.lines
    for at, key in enumerate(zip(lines.hour_s.tolist(), lines.service, lines.pool, strict=True)):
        sums[key] -= np.array([*lines.parts[at], lines.marginal_nano[at]])
    assert not any(left.any() for left in sums.values())


@given(terms, rows)
def test_what_is_billed_is_what_it_costs(drawn: Terms, held: list[Row]) -> None:
    made = charges(drawn, held)
    found = pieces(made, drawn)
    assert sum(piece.billed_nano for piece in found) == sum(piece.nano for piece in found) == made.lines.total_nano
    listed = sum(piece.listed_nano for piece in found if piece.kind in (Kind.OWN, Kind.USED, Kind.PLATFORM))
    assert listed == int(made.lines.list_nano.sum())


def test_a_line_that_is_covered_in_part_is_cut() -> None:
    found = [piece for piece in pieces(charges(TERMS, ROWS), TERMS) if (piece.hour_s, piece.service) == (0, "chat")]
    told = [(piece.kind, piece.gpu_ms, piece.micro_usd) for piece in found if piece.pool == "h100"]
    assert told == [(Kind.USED, 4_800_000, 3_000_000), (Kind.OWN, 9_600_000, 3_000_000)]
    assert (found[0].nano, found[1].nano) == (2_666_666_667, 8 * 10**9)
    assert found[0].marginal_nano is not None and found[0].commitment == YEAR


def test_a_line_that_is_covered_whole_stays_whole() -> None:
    made = charges(TERMS, [one(0, "chat", 1.0, 1.0)])
    used = [piece for piece in pieces(made, TERMS) if piece.pool == "h100"]
    assert [(piece.kind, piece.gpu_ms, piece.nano, piece.billed_nano) for piece in used] == [
        (Kind.USED, 2 * HOUR, 4 * 10**9, 0)
    ]


def test_an_hour_of_a_commitment_is_bought_once_whether_it_is_used_or_not() -> None:
    bought = [piece for piece in pieces(charges(TERMS, ROWS), TERMS) if piece.kind is Kind.BOUGHT]
    assert [(piece.hour_s, piece.gpu_ms, piece.billed_nano) for piece in bought] == [
        (0, 2 * HOUR, 4 * 10**9),
        (3600, 2 * HOUR, 4 * 10**9),
    ]
