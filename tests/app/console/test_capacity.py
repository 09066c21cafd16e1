"""Capacity in words: as configured, as learned, not known yet; tables keep gaps as gaps."""

from __future__ import annotations

import pytest

from app.console.capacity import finding, law_table, lead_time_table, taught
from tests.app.console.fake_api import capacity

VIEW, YOUNG = capacity("chat"), capacity("chat", young=True)


@pytest.mark.parametrize(
    ("carried", "said"),
    [
        (0.72, "one replica carries 0.72 erlangs (TPOT binds), 10 % less than its pool's entry says"),
        (0.88, "one replica carries 0.88 erlangs (TPOT binds), 10 % more than its pool's entry says"),
        (0.79, "one replica carries 0.79 erlangs (TPOT binds), as its pool's entry says"),
    ],
)
def test_what_a_replica_carries_is_set_against_its_entry(carried: float, said: str) -> None:
    assert finding(VIEW.model_copy(update={"rho_max": carried})) == said


def test_before_the_first_decision_nothing_is_claimed() -> None:
    assert finding(YOUNG) == "not known before the first decision"
    assert taught(YOUNG.learned) == "Nothing was learned yet: the configured figures hold."
    assert law_table(YOUNG)["learned"].isna().all()


def test_what_was_learned_names_its_evidence_and_what_was_refused() -> None:
    assert VIEW.learned
    held = VIEW.learned.model_copy(update={"at_bound": ["p"]})
    assert taught(held) == (
        "Learned from 2.5 replica-hours; 4 taught at the last look, 1 refused (saturated: requests wait). "
        "Held at its bound: p."
    )


def test_tables_have_a_line_per_term_and_per_tier() -> None:
    laws, leads = law_table(VIEW), lead_time_table(VIEW)
    assert laws["learned"].tolist() == pytest.approx((1.12 * laws["configured"]).tolist())
    assert leads["tier"].tolist() == ["asleep", "cold"]
    assert leads["measured"].tolist() == [3, 12]
    assert list(lead_time_table(VIEW.model_copy(update={"lead_times": []}))) == list(leads)
