"""Dashboards that Grafana takes: unique ids, no overlaps, units and words on every panel, links that lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from dashboards import alerts
from dashboards.board import COLUMNS, SCHEMA_VERSION
from dashboards.boards import boards
from dashboards.boards.shared import attained, missed
from dashboards.settings import Settings

VIEWS = Path(__file__).parents[2] / "app" / "console" / "views"
SETTINGS = Settings(objective=0.995, console_url="https://console.test")
BOARDS = {board.uid: board.json(SETTINGS) for board in boards(SETTINGS)}

each = pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
Json = dict[str, Any]


def panels(board: Json) -> list[Json]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def test_five_with_ids_of_their_own() -> None:
    assert list(BOARDS) == [f"leadtime-{name}" for name in ("fleet", "service", "decisions", "cost", "gpu")]
    assert len({board["title"] for board in BOARDS.values()}) == 5
    assert {board["schemaVersion"] for board in BOARDS.values()} == {SCHEMA_VERSION}


@each
def test_ids_titles_and_queries_are_unique(board: Json) -> None:
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    titles = [panel["title"] for panel in board["panels"]]
    assert len(set(titles)) == len(titles)
    for panel in panels(board):
        names = [target["refId"] for target in panel["targets"]]
        assert names and len(set(names)) == len(names)


@each
def test_no_two_panels_overlap_and_none_leaves_the_grid(board: Json) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= COLUMNS and not cells & taken, panel["title"]
        taken |= cells


@each
def test_every_panel_says_what_it_shows_in_which_unit(board: Json) -> None:
    for panel in panels(board):
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])


@each
def test_variables_that_are_named_are_there(board: Json) -> None:
    there = {variable["name"] for variable in board["templating"]["list"]}
    said = set(re.findall(r"\$\{?(\w+)\}?", str(board["panels"]) + str(board["links"])))
    assert {name for name in said if not name.startswith("__") and not name.isdigit()} <= there
    assert {"datasource", "console"} <= there


def pages() -> list[str]:
    """Every page of the console that a dashboard or an alert leads to."""
    links = [link["url"] for b in BOARDS.values() for p in panels(b) for link in p["links"]]
    links += [link["url"] for b in BOARDS.values() for link in b["links"] if link["type"] == "link"]
    named = [link.removeprefix("${console}/") for link in links]
    return named + [alert.page for group in alerts.groups(SETTINGS) for alert in group.alerts]


@pytest.mark.parametrize("page", sorted(set(pages())))
def test_links_lead_to_pages_of_the_console(page: str) -> None:
    name, _, query = page.partition("?")
    assert not name or (VIEWS / f"{name}.py").exists()
    assert not query or query.startswith("service=")


@each
def test_dashboards_lead_to_each_other_and_to_the_console(board: Json) -> None:
    kinds = {link["type"]: link for link in board["links"]}
    assert kinds["dashboards"]["tags"] == board["tags"] and kinds["dashboards"]["keepTime"]
    console = next(v for v in board["templating"]["list"] if v["name"] == "console")
    assert console["query"] == "https://console.test"


def test_colours_follow_the_objective() -> None:
    assert attained(SETTINGS) == ((None, "red"), (0.97, "orange"), (0.995, "green"))
    assert missed(SETTINGS) == ((None, "green"), (0.03, "orange"), (0.072, "red"))
