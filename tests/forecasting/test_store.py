"""What is saved comes back to the last bit, or is refused, or is said to be lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.experts import Expert
from forecasting.experts.last_value import LastValue
from forecasting.experts.linear import Linear
from forecasting.experts.seasonal import Seasonal
from forecasting.history import History, Target
from forecasting.panel import Fitted, Panel
from forecasting.store import load, packed, save, state, unpacked
from tests.forecasting.series import diurnal, minutes

TARGET = Target((1, 15), (0.5, 0.9, 0.99))
EXPERTS = (LastValue(), Seasonal(), Linear())


def lived(seed: int = 1, experts: tuple[Expert, ...] = EXPERTS) -> tuple[Panel, History]:
    history = History(60.0, 700, np.sqrt(diurnal(minutes(0.7), seed=seed)))
    panel = Panel(TARGET, 60.0, experts)
    panel.begin(history)
    return panel.refit(history), history


PANEL, HISTORY = lived()


def says_the_same(one: Panel, other: Panel, history: History) -> bool:
    raw = [panel.predict(history, history.last - 50, history.last) for panel in (one, other)]
    told = [panel.together(said[-1]) for panel, said in zip((one, other), raw, strict=True)]
    equal = all(np.array_equal(a, b, equal_nan=True) for a, b in zip(*told, strict=True))
    return equal and np.array_equal(raw[0], raw[1], equal_nan=True)


@pytest.mark.parametrize("seed", range(3))
def test_a_saved_panel_says_the_same_and_learns_the_same(seed: int, tmp_path: Path) -> None:
    panel, history = lived(seed)
    save(panel, tmp_path / "chat.npz")
    loaded = load(tmp_path / "chat.npz", TARGET, 60.0, EXPERTS)
    assert loaded.lost == () and loaded.panel.lived_until == panel.lived_until
    assert says_the_same(panel, loaded.panel, history)
    longer = History(60.0, 700, np.sqrt(diurnal(minutes(0.8), seed=seed)))
    for each in (panel, loaded.panel):
        each.begin(longer)
    assert says_the_same(panel.refit(longer), loaded.panel.refit(longer), longer)


def test_the_file_is_an_ordinary_npz_without_pickles(tmp_path: Path) -> None:
    save(PANEL, tmp_path / "chat.npz")
    with np.load(tmp_path / "chat.npz", allow_pickle=False) as file:
        assert {"header", "fit/linear/middle", "calibration/offset", "combination/loss"} <= set(file.files)
    assert [path.name for path in tmp_path.iterdir()] == ["chat.npz"]


def test_a_panel_that_has_seen_nothing_can_be_kept_too() -> None:
    empty = Panel(TARGET, 60.0, EXPERTS)
    assert says_the_same(empty, unpacked(packed(empty), TARGET, 60.0, EXPERTS).panel, HISTORY)


@pytest.mark.parametrize(
    ("target", "step_s", "word"),
    [(Target((1, 30), TARGET.taus), 60.0, "target"), (Target((1, 15), TARGET.taus, False), 60.0, "target"),
     (TARGET, 30.0, "step_s")],
)  # fmt: skip
def test_what_was_learned_of_another_question_is_not_used(target: Target, step_s: float, word: str) -> None:
    loaded = unpacked(packed(PANEL), target, step_s, EXPERTS)
    assert "linear" not in loaded.panel.fits and (loaded.panel.calibration.seen == 0).all()
    assert len(loaded.lost) == 1 and loaded.lost[0].startswith(f"{word} was ")


def test_another_format_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    data = packed(PANEL)
    monkeypatch.setattr("forecasting.store.FORMAT", 4)
    assert unpacked(data, TARGET, 60.0, EXPERTS).lost == ("format was 3 and is 4: all begins anew",)


def test_an_expert_that_is_gone_is_dropped_and_the_others_keep_what_is_theirs() -> None:
    loaded = unpacked(packed(PANEL), TARGET, 60.0, (Linear(), LastValue()))
    assert loaded.lost == ("expert seasonal is not installed: what it learned is dropped",)
    for part, before in ((loaded.panel.calibration, PANEL.calibration), (loaded.panel.combination, PANEL.combination)):
        for name, array in state(part).items():
            assert (array == state(before)[name][[2, 0]]).all()
    assert "linear" in loaded.panel.fits and "seasonal" not in loaded.panel.fits


def test_an_expert_that_joins_begins_at_nothing() -> None:
    fewer, _ = lived(experts=(LastValue(), Linear()))
    loaded = unpacked(packed(fewer), TARGET, 60.0, EXPERTS)
    assert loaded.lost == ()
    assert (loaded.panel.calibration.seen[1] == 0).all() and (loaded.panel.calibration.seen[[0, 2]] > 0).all()


class NewLinear(Linear):
    """As it will be one day."""

    version = 99


def test_a_newer_expert_does_not_read_what_the_old_one_wrote() -> None:
    loaded = unpacked(packed(PANEL), TARGET, 60.0, (LastValue(), Seasonal(), NewLinear()))
    assert loaded.lost == ("expert linear was version 1 and is 99: it begins anew",)
    assert "linear" not in loaded.panel.fits and (loaded.panel.calibration.seen[2] == 0).all()


def test_what_is_measured_since_begins_anew() -> None:
    older, _ = lived()
    vars(older.calibration)["forgotten"] = vars(older.calibration).pop("excess")
    loaded = unpacked(packed(older), TARGET, 60.0, EXPERTS)
    assert len(loaded.lost) == 1 and "calibration had no excess" in loaded.lost[0]
    assert (loaded.panel.calibration.offset == PANEL.calibration.offset).all()


@given(st.integers(0), st.integers(1, 255))
def test_any_damage_is_refused_by_the_files_name(tmp_path_factory: pytest.TempPathFactory, at: int, by: int) -> None:
    data = bytearray(packed(PANEL))
    data[at % len(data)] ^= by
    path = tmp_path_factory.mktemp("damaged") / "chat.npz"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"chat\.npz is damaged"):
        load(path, TARGET, 60.0, EXPERTS)


@pytest.mark.parametrize("content", [b"", b"no panel", packed(PANEL)[:-100]])
def test_no_panel_at_all_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.npz is damaged or no saved panel"):
        load(tmp_path / "x.npz", TARGET, 60.0)


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    save(PANEL, tmp_path / "chat.npz")
    broken, _ = lived()
    broken.step_s = object()  # type: ignore[assignment]
    with pytest.raises(TypeError):
        save(broken, tmp_path / "chat.npz")
    assert load(tmp_path / "chat.npz", TARGET, 60.0, EXPERTS).lost == ()


def test_what_cannot_be_stored_without_pickle_is_not_stored() -> None:
    odd, _ = lived()
    odd.fits["linear"] = Fitted({"odd": np.array([object()])}, 1)
    with pytest.raises(TypeError, match="linear/odd"):
        packed(odd)
