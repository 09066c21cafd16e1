"""GPUs as a map: states in colour, letter and word; what is not known is missing and named."""

from __future__ import annotations

import pytest

from app.api.nodes import NodesView
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
    told = {tile.label: tile for tile in gpus.tiles(FOUND)}
    assert (told["Busy"].value, told["Held, doing nothing"].value, told["Idle"].value) == ("14", "2", "5")
    assert (told["Faulty"].value, told["Faulty"].verdict, told["Faulty"].note) == ("1", "bad", "2 not seen")
    assert told["Power"].value.endswith("kW")


def test_without_figures_tiles_show_dashes() -> None:
    told = {tile.label: tile for tile in gpus.tiles(NodesView(at_s=None, nodes=[]))}
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
