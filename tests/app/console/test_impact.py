"""The impact of a draft in words."""

from __future__ import annotations

import pytest

from app.console import impact
from tests.app.console.conftest import NOW_S
from tests.app.console.fake_proposals import impact as made

MORE = made("chat", NOW_S, 1, 48.0)


@pytest.mark.parametrize(
    ("usd", "attainment", "word"),
    [
        (-5.0, -0.01, "Cheaper, and later"),
        (5.0, -0.01, "Later, and no cheaper"),
        (5.0, 0.01, "More in time, for more"),
        (-5.0, 0.01, "More in time, for no more"),
        (-5.0, 0.0, "Cheaper, and as much in time"),
        (5.0, None, "Dearer, and no more in time"),
        (0.0, 0.0, "No difference on this past"),
    ],
)
def test_the_verdict_weighs_money_and_lateness(usd: float, attainment: float | None, word: str) -> None:
    found = MORE.model_copy(update={"delta_usd": usd, "delta_attainment": attainment})
    assert impact.verdict(found)[0] == word


def test_the_headline_has_signs() -> None:
    assert impact.headline(MORE) == "Over 1 d: + $48.00, + 16 GPU-hours, + 0.52 points of attainment."
    fewer = made("chat", NOW_S, 1, -48.0)
    assert "− $48.00, − 16 GPU-hours, − 1.1 points" in impact.headline(fewer)
    assert impact.signed(0.001, impact.dollars) == "± $0.00"


def test_late_requests_are_counted() -> None:
    assert impact.late_words(MORE) == "About 4,224 fewer requests late of 812,345."
    assert impact.late_words(MORE.model_copy(update={"delta_late": 0.2})) == "As many requests in time."


def test_the_table_and_the_chart_have_both() -> None:
    table = impact.table(MORE).set_index("")
    assert table.loc["Cost"].tolist() == ["$612.00", "$660.00", "+ $48.00"]
    unknown = MORE.model_copy(update={"draft": MORE.draft.model_copy(update={"attainment": None})})
    assert impact.table(unknown).set_index("").loc["Attainment, estimated, %", "Draft"] == "–"
    assert set(impact.frame(MORE).columns) == {"time", "In force", "Draft"}
    assert impact.chart(MORE).to_dict()["layer"]
