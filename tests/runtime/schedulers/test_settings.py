"""What may be set, and the one line that a wrong value gets."""

from __future__ import annotations

import pytest

from runtime.schedulers.settings import PREFIX, Settings, read


def test_nothing_set_is_the_defaults() -> None:
    assert read({"HOME": "/x"}) == Settings()
    assert Settings().patience_s == 4.0 and Settings().step is None


def test_every_setting_is_read() -> None:
    given = {
        "TTFT_S": "5",
        "TPOT_S": "0.1",
        "STEP_MS": "16.55, 0.041, 0.0581, 68.7",
        "PERCENT": "90",
        "FULL_PERCENT": "80",
        "TRUST_MAX_TOKENS": "0",
        "LOG_EVERY_S": "0",
    }
    found = read({PREFIX + name: value for name, value in given.items()})
    assert found == Settings(5.0, 0.1, (16.55, 0.041, 0.0581, 68.7), 90, 80, False, 0.0)
    assert found.step is not None and found.step.k == pytest.approx(58.1e-9)
    assert found.prefill_s_per_token == pytest.approx(68.7e-6)


@pytest.mark.parametrize(
    ("name", "value", "right"),
    [
        ("TTFT_S", "soon", "a number"),
        ("TTFT_S", "0", "above 0"),
        ("TPOT_S", "nan", "finite"),
        ("LOG_EVERY_S", "-1", "0 or more"),
        ("PERCENT", "101", "from 1 to 100"),
        ("FULL_PERCENT", "95.5", "from 1 to 100"),
        ("TRUST_MAX_TOKENS", "yes", "0 or 1"),
        ("STEP_MS", "1,2,3", "four numbers"),
        ("STEP_MS", "1,2,3,0", "p above 0"),
        ("PATIENCE", "3", "there are LEADTIME_SCHEDULER_TTFT_S"),
    ],
)
def test_a_wrong_value_gets_one_line(name: str, value: str, right: str) -> None:
    with pytest.raises(ValueError, match=right) as told:
        read({PREFIX + name: value})
    assert PREFIX + name in str(told.value) and "\n" not in str(told.value)
