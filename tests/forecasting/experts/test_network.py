"""One network for every series: fitted by torch, read by numpy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.calibration import pinball
from forecasting.experts import EXPERTS
from forecasting.experts.expert import Model
from forecasting.experts.network import Network, available, forward
from forecasting.history import Array, History, Target
from tests.forecasting.series import diurnal, minutes

TARGET = Target((1, 10, 60), (0.5, 0.8, 0.9, 0.95, 0.99))
QUICK = Network(epochs=1)


def past(loads: Array, first: int = 500) -> History:
    return History(60.0, first, np.sqrt(loads))


def taught(histories: list[History], expert: Network = QUICK, seed: int = 1) -> Model:
    model = expert.train(histories, TARGET, seed)
    assert model is not None
    return model


def untaught(inputs: int = 7, horizons: int = 3, taus: int = 5) -> Model:
    shapes = {
        "enter": (inputs, 8), "enter_bias": (8,), "wide": (8, 8), "wide_bias": (8,), "back": (8, 8),
        "leave": (8, horizons * taus), "straight": (inputs, horizons * taus), "leave_bias": (horizons * taus,),
    }  # fmt: skip
    rng = np.random.default_rng(1)
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}


def test_it_is_asked_exactly_where_torch_is_there() -> None:
    assert ("network" in [expert.name for expert in EXPERTS]) == available()


@given(st.floats(-1e3, 1e3))
def test_whatever_the_weights_quantiles_do_not_cross(scale: float) -> None:
    told = forward(untaught(), scale * np.random.default_rng(2).normal(size=(20, 7)), 5)
    assert told.shape == (20, 3, 5) and (np.diff(told, axis=2) >= 0).all()


@pytest.mark.torch
def test_what_numpy_reads_is_what_torch_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from forecasting.experts import descent

    monkeypatch.setattr(descent, "DROPPED", 0.0)
    model, table = untaught(), np.random.default_rng(2).normal(size=(20, 7))
    layers = {name: torch.tensor(array) for name, array in model.items()}
    assert forward(model, table, 5) == pytest.approx(descent._told(layers, torch.tensor(table), 5).numpy())


@pytest.mark.torch
def test_learns_what_comes_after_what() -> None:
    """A load that jumps to another level each half hour, at random, is best guessed by its levels' middle."""
    rng = np.random.default_rng(1)
    history = past(np.repeat(rng.choice([1.0, 4.0, 25.0], 100), 30) + 0.01 * rng.random(3000))
    expert = Network(epochs=20)
    ahead = expert.predict(taught([history], expert), history, history.first, history.last, TARGET)
    truth = history.truth(history.first, history.last, TARGET)
    known = np.isfinite(truth[:, 2])
    error = np.abs(truth[known, 2] - ahead[known, 2, 0]).mean()
    assert error < 0.8 * np.abs(truth[known, 2] - history.roots[known]).mean()


@pytest.mark.torch
def test_one_network_serves_series_of_any_size_even_one_that_it_has_never_seen() -> None:
    small, large = past(diurnal(minutes(2.0), seed=1)), past(1e4 * diurnal(minutes(2.0), seed=2), first=90_000)
    expert = Network(epochs=6)
    model = taught([small, large], expert)
    new = past(300 * diurnal(minutes(2.0), seed=3))
    ahead, truth = expert.predict(model, new, 600, new.last, TARGET), new.truth(600, new.last, TARGET)
    taus, now = np.array(TARGET.taus), new.at(600, new.last)[:, None, None]
    ours, lasts = (np.nanmean(pinball(truth[..., None] - said, taus)) for said in (ahead, now))
    assert ours < 0.8 * lasts


@pytest.mark.torch
def test_the_same_seed_gives_the_same_model_and_one_origin_the_same_answer_as_many() -> None:
    history = past(diurnal(minutes(1.0)))
    model, again, other = taught([history]), taught([history]), taught([history], seed=2)
    assert all((model[name] == again[name]).all() for name in model)
    assert (model["enter"] != other["enter"]).any()
    one = QUICK.predict(model, history, history.last, history.last, TARGET)
    assert one[0] == pytest.approx(QUICK.predict(model, history, history.last - 20, history.last, TARGET)[-1])


@pytest.mark.torch
def test_torchs_own_dice_and_threads_are_left_as_they_were() -> None:
    import torch

    state, threads = torch.random.get_rng_state(), torch.get_num_threads()
    taught([past(diurnal(minutes(1.0)))])
    assert (torch.random.get_rng_state() == state).all() and torch.get_num_threads() == threads


@pytest.mark.torch
def test_too_little_history_gives_no_model() -> None:
    for loads in (np.ones(300), np.full(2000, np.nan), np.zeros(0)):
        assert QUICK.fit(past(loads), TARGET, 1) is None
    assert QUICK.train([], TARGET, 1) is None


@pytest.mark.torch
def test_what_was_always_the_same_in_learning_is_not_shown_later() -> None:
    """In its first week it has seen no week before; on the first day of the next it must not be thrown by one."""
    history = past(diurnal(minutes(8.0), seed=4))
    model = taught([history.until(history.first + 7 * 1440)], Network(epochs=2))
    ahead = QUICK.predict(model, history, history.last - 600, history.last - 60, TARGET)
    truth = history.truth(history.last - 600, history.last - 60, TARGET)
    assert np.abs(ahead[..., 0] - truth).max() < 3 * np.abs(history.roots[-600:]).std() + 1


@pytest.mark.torch
@settings(max_examples=10)
@given(
    st.sampled_from(["zero", "constant", "wave"]),
    st.lists(st.tuples(st.integers(0, 1499), st.sampled_from([0.0, 1e6, np.nan])), max_size=30),
    st.integers(0, 300),
)
def test_no_history_gives_nan_or_an_error(kind: str, odd: list[tuple[int, float]], hole: int) -> None:
    loads = {"zero": np.zeros(1500), "constant": np.full(1500, 3.0), "wave": diurnal(minutes(2.0))[:1500]}[kind]
    loads[400 : 400 + hole] = np.nan
    for at, load in odd:
        loads[at] = load
    history = past(loads)
    model = QUICK.fit(history, TARGET, 0)
    if model is not None:
        ahead = QUICK.predict(model, history, history.first, history.last, TARGET)
        assert (np.isfinite(ahead).all(axis=(1, 2)) == np.isfinite(history.roots)).all()
