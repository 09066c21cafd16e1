"""The panel: experts judged by what they could not have known, and what they say together."""

from __future__ import annotations

import numpy as np
import pytest

from forecasting.experts import Model
from forecasting.experts.last_value import LastValue
from forecasting.experts.linear import Linear
from forecasting.history import Array, History, Target
from forecasting.panel import Panel
from forecasting.store import packed, unpacked
from tests.forecasting.series import diurnal, minutes

TARGET = Target((1, 15), (0.5, 0.9, 0.99))


class Parrot:
    """Knows every cell that it was fitted to by heart, and says nonsense about all others."""

    name, version, needs_s = "parrot", 1, 3600.0

    def fit(self, history: History, target: Target, seed: int) -> Model | None:
        first, last = history.first, history.last - target.horizons[-1]
        return {"first": np.array([first]), "truth": history.truth(first, last, target)}

    def predict(self, model: Model, history: History, first: int, last: int, target: Target) -> Array:
        said = np.full((last - first + 1, len(target.horizons)), 50.0)
        for cell in range(first, last + 1):
            at = cell - int(model["first"][0])
            if 0 <= at < len(model["truth"]):
                said[cell - first] = model["truth"][at]
        return np.repeat(said[..., None], len(target.taus), axis=2)


class Mute(Parrot):
    """Never has anything to say."""

    name = "mute"

    def fit(self, history: History, target: Target, seed: int) -> Model | None:
        return None


def past(days: float = 3.0) -> History:
    return History(60.0, 0, np.sqrt(diurnal(minutes(days), seed=1)))


def share(panel: Panel, history: History, name: str) -> float:
    weights = panel.together(panel.predict(history, history.last, history.last)[0])[1]
    return float(weights[[e.name for e in panel.experts].index(name)].mean())


def test_who_only_knows_the_past_by_heart_is_not_believed() -> None:
    panel, history = Panel(TARGET, 60.0, (LastValue(), Parrot())), past()
    panel.begin(history)
    panel = panel.refit(history)
    assert share(panel, history, "parrot") < 0.05


def test_who_predicts_better_is_believed_more() -> None:
    panel, history = Panel(TARGET, 60.0, (LastValue(), Linear())), past()
    panel.begin(history)
    assert share(panel, history, "linear") == 0.0
    assert share(panel.refit(history), history, "linear") > 0.6


def test_refitting_leaves_the_panel_it_came_from_alone_and_is_the_same_twice() -> None:
    panel, history = Panel(TARGET, 60.0, (LastValue(), Linear())), past()
    panel.begin(history)
    first, second = panel.refit(history), panel.refit(history)
    assert "linear" not in panel.fits
    last = history.last
    assert (first.predict(history, last, last) == second.predict(history, last, last)).all()


def test_a_fit_that_fails_leaves_the_last_good_one() -> None:
    panel, history = Panel(TARGET, 60.0, (LastValue(), Linear())), past()
    panel.begin(history)
    panel = panel.refit(history)
    nothing = History(60.0, history.last + 1, np.full(1440, np.nan))
    assert panel.refit(nothing).fits["linear"].until == history.last


def test_an_expert_without_a_model_takes_no_part() -> None:
    panel, history = Panel(TARGET, 60.0, (LastValue(), Mute())), past(1)
    panel.begin(history)
    panel = panel.refit(history)
    quantiles, weights = panel.together(panel.predict(history, history.last, history.last)[0])
    assert np.isfinite(quantiles).all() and weights[0] == pytest.approx(1.0)


def test_a_fit_is_due_when_there_is_enough_and_enough_of_it_is_new() -> None:
    panel, history = Panel(TARGET, 60.0, (LastValue(), Linear())), past()
    assert not panel.due(past(0.1)) and panel.due(history)
    panel = panel.refit(history)
    assert not panel.due(history)
    assert panel.due(past(3.5)) and not panel.due(past(3.2))


def test_who_could_not_learn_is_not_asked_again_before_there_is_more_to_learn_from() -> None:
    panel, history = Panel(TARGET, 60.0, (LastValue(), Mute())), past()
    assert panel.due(history)
    panel = unpacked(packed(panel.refit(history)), TARGET, 60.0, panel.experts).panel
    assert not panel.due(history) and panel.due(past(3.5))


def test_living_through_a_history_twice_teaches_nothing_new() -> None:
    panel, history = Panel(TARGET, 60.0, (LastValue(),)), past()
    panel.begin(history)
    before = panel.calibration.offset.copy()
    panel.begin(history)
    assert (panel.calibration.offset == before).all()


def test_what_is_told_is_exceeded_as_often_as_it_says_also_after_an_outage() -> None:
    roots = past(6).roots
    roots[4 * 1440 + 300 : 4 * 1440 + 500] = np.nan
    history, panel = History(60.0, 0, roots), Panel(TARGET, 60.0, (LastValue(), Linear()))
    before = history.until(4 * 1440 - 1)
    panel.begin(before)
    panel = panel.refit(before)
    first = 4 * 1440
    told, truth = panel.replay(history, first, history.last), history.truth(first, history.last, TARGET)
    for i in range(len(TARGET.horizons)):
        known = np.isfinite(truth[:, i]) & np.isfinite(told[:, i, 0])
        covered = (truth[known, i, None] <= told[known, i]).mean(axis=0)
        assert covered == pytest.approx(TARGET.taus, abs=0.04)
