"""GPUs as a map: states in colour, letter and word; what is not known is missing and named."""

from __future__ import annotations

import pytest

from app.console import gpus
from tests.app.console.conftest import NOW_S
from tests.app.console.fake_nodes import nodes

FOUND = nodes(NOW_S)


def test_a_line_per_gpu_with_what_is_not_known_missing() -> None:
    data = gpus.frame(FOUND.nodes)
    assert len(data) == 24
    unseen = data[data["state"] == "Held, not seen"]
    assert len(unseen) == 2 and unseen["watts"].isna().all() and unseen["tensor"].isna().all()
    assert len(gpus.frame([])) == 0


def test_tiles_count_by_state_and_name_what_is_wrong() -> None:
    told = {tile.label: tile for tile in gpus.tiles(FOUND.nodes)}
    assert (told["Busy"].value, told["Held, doing nothing"].value, told["Idle"].value) == ("14", "2", "5")
    assert (told["Faulty"].value, told["Faulty"].verdict, told["Faulty"].note) == ("1", "bad", "2 not seen")
    assert told["Power"].value.endswith("kW")


def test_without_figures_tiles_show_dashes() -> None:
    told = {tile.label: tile for tile in gpus.tiles([])}
    assert (told["Power"].value, told["Power"].verdict) == ("–", "unknown")
    assert told["Tensor / bandwidth"].value == "– / –"


def test_nodes_are_chosen_by_service_and_by_trouble() -> None:
    assert [node.node for node in gpus.chosen(FOUND, None, True)] == ["h100-node-2", "h100-node-3"]
    assert [node.node for node in gpus.chosen(FOUND, "code-34b", False)] == ["h100-node-2"]
    assert gpus.finding(FOUND.nodes) == "24 GPUs on 4 nodes, 2 nodes want a look"
    assert gpus.finding(FOUND.nodes[:1]) == "8 GPUs on 1 nodes, all well"


@pytest.mark.parametrize("by", list(gpus.COLOURED))
def test_the_map_has_a_square_and_a_word_per_gpu(by: str) -> None:
    spec = gpus.chart(gpus.frame(FOUND.nodes), by).to_dict()
    assert [layer["mark"]["type"] for layer in spec["layer"]] == ["rect", "text"]


def test_long_names_are_told_apart_by_their_ends() -> None:
    names = [f"gke-production-h100-pool-7f3a-{n:04d}" for n in range(3)]
    told = gpus.short(names)
    assert told[names[1]].startswith("…") and told[names[1]].endswith("0001")
    assert max(map(len, told.values())) <= gpus.LABEL_CHARS and len(set(told.values())) == 3


def test_names_whose_ends_are_equal_stay_whole() -> None:
    names = ["rack-1-of-the-eastern-hall-node", "rack-2-of-the-eastern-hall-node"]
    assert gpus.short(names) == {name: name for name in names}


def test_the_legend_tells_the_letters_of_the_states_that_are_there() -> None:
    key = gpus.colour("State", ["Busy", "Idle"]).to_dict()
    assert key["scale"]["domain"] == ["Busy", "Idle"]
    assert "Busy (B)" in key["legend"]["labelExpr"]
