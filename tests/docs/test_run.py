"""Commands that end in seconds are run as they stand, page by page, in a folder with the files that they name.

Promise: a command of one of these families that is new on a page is run, or is named in ``ELSEWHERE`` with the reason.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import yaml

from app.cli.main import app
from tests.app.processes import free_ports, start, until
from tests.docs.commands import Call, calls
from tests.docs.room import Room, furnish

RUN = (
    "audit",
    "backtest",
    "catalog",
    "doctor",
    "explain",
    "forecast",
    "manifest",
    "plan",
    "policy",
    "simulate",
    "token",
    "tune",
)

ELSEWHERE = {
    r"--prometheus": "asks a Prometheus: tests/app/cli/test_backtest.py",
    r"^forecast evaluate": "fits every expert to more than a day: tests/app/cli/test_forecast.py",
}
"""Calls that need what is not in this room, and who runs them."""

REFUSED = {
    r"^policy shadow chat --stop": "the candidate was promoted the line before",
    r"^token revoke 3f9c2a71d04e": "the token is an example's",
}
"""Calls that are shown as alternatives, of which only the first can work; the others are refused in one line."""


def run_here(call: Call) -> bool:
    words = " ".join(call.words[1:])
    return not call.mentioned and call.words[1] in RUN and not any(re.search(one, words) for one in ELSEWHERE)


CALLS = [call for call in calls("leadtime") if run_here(call)]


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """A furnished folder, which is where we are, and everything of ``leadtime up`` but the console."""
    folder = tmp_path_factory.mktemp("room")
    furnish(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("USER", "somebody")
        patch.setenv("XDG_CACHE_HOME", str(folder))
        patch.setenv("COLUMNS", "200")
        api, fleet = map(str, free_ports(2))
        up = start("up", "--no-console", "--speed", "20", "--api-port", api, "--fleet-port", fleet)
        address = f"http://127.0.0.1:{api}"
        until(f"{address}/readyz", up)
        yield Room(address)
        up.send_signal(signal.SIGINT)
        up.wait(timeout=30)


@pytest.fixture(scope="module")
def candidate(room: Room) -> None:
    """A policy beside the live one, as an operator would write it."""
    shown = room.runner.invoke(app, ["policy", "show", "chat", "--api", room.api])
    policy = yaml.safe_load(shown.stdout)
    policy["replicas"]["min"] += 1
    Path("candidate.yaml").write_text(yaml.safe_dump(policy), encoding="utf-8")


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_it_does_what_the_page_says(room: Room, candidate: None, call: Call) -> None:
    done = room.run(call)
    words = " ".join(call.words[1:])
    if any(re.search(one, words) for one in REFUSED):
        assert done.exit_code != 0 and "\n" not in str(done.exception)
    else:
        assert done.exit_code == 0, f"{done.output}\n{done.exception!r}"
        assert done.output.strip() or call.into


def test_the_trace_of_the_first_five_minutes_is_what_it_says(room: Room) -> None:
    at_s = pd.read_csv("requests.csv")["arrival_s"]
    assert 590 < at_s.max() < 600 and list(pd.read_csv("requests.csv").columns)[1:] == ["input_tokens", "output_tokens"]
    assert at_s.between(220, 280).sum() > 3 * at_s.between(0, 60).sum(), "a burst in the middle"
