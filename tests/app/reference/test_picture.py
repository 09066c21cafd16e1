"""The picture says what the rule says, and the file that is kept is what the code draws."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

from app.reference.picture import LAST_S, TIERS, demand, steps, svg

KEPT = Path(__file__).parents[3] / "docs/images/lead-time.svg"


def test_the_kept_file_is_what_is_drawn() -> None:
    assert KEPT.read_text(encoding="utf-8") == svg(), "write it anew: app.reference.picture.svg()"


def test_each_step_reaches_the_demand_until_the_next() -> None:
    for (tier, until_s, height), after in pairwise([*steps(), (None, LAST_S, 0.0)]):
        assert tier is not None
        times = [tier.ready_s + share / 10 * (until_s - tier.ready_s) for share in range(11)]
        assert all(height >= demand(at_s) for at_s in times)
        assert after[0] is None or after[0].ready_s == until_s


def test_it_is_a_drawing_with_a_name_and_both_schemes() -> None:
    root = ElementTree.fromstring(svg())
    assert root.get("role") == "img" and root.get("aria-label")
    assert "prefers-color-scheme: dark" in svg() and "http" not in svg().replace("http://www.w3.org/2000/svg", "")
    assert all(tier.name in svg() for tier in TIERS)
