"""Candidates and watches from the command line, against a real API."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.cli.policy_trials import fares, reported
from app.errors import UserError
from tests.app.cli.test_policy import BY, edited, run


def test_a_candidate_is_started_shown_and_stopped(api: str, tmp_path: Path) -> None:
    path = str(edited(api, tmp_path, min=3))
    assert "candidate 1 decides beside version 1; nothing is applied" in run(api, "shadow", "chat", path, *BY).stdout
    told = run(api, "shadow", "chat", "--report").stdout
    assert "candidate 1 by ada" in told and "running" in told and "Nothing to compare yet" in told
    assert "stopped by ada: launch day" in run(api, "shadow", "chat", "--stop", *BY).stdout
    assert json.loads(run(api, "show", "chat", "--json").stdout)["version"] == 1


def test_a_candidate_is_promoted_and_watched(api: str, tmp_path: Path) -> None:
    run(api, "shadow", "chat", str(edited(api, tmp_path, min=3)), *BY)
    done = run(api, "shadow", "chat", "--promote", *BY, "--watch", "600").stdout
    assert done == "chat: version 2 is in force, on watch for 10 min\n"
    told = run(api, "watch", "chat").stdout
    assert "version 2 is on watch, 10 min to go" in told and "14.4" in told
    assert "ended by ada: launch day" in run(api, "watch", "chat", "--end", *BY).stdout


def test_apply_says_whether_it_is_watched(api: str, tmp_path: Path) -> None:
    done = run(api, "apply", "chat", str(edited(api, tmp_path, min=2)), *BY, "--watch", "900")
    assert done.stdout == "chat: version 2 is in force, on watch for 15 min\n"
    assert json.loads(run(api, "watch", "chat", "--json").stdout)["watch_s"] == 900.0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("shadow", "chat"), "give one of"),
        (("shadow", "chat", "--report", "--stop"), "give one of"),
        (("shadow", "chat", "--stop", "--author", "ada"), "--author and --reason"),
        (("shadow", "chat", "--report"), "no candidate in shadow yet"),
        (("watch", "chat"), "on watch yet"),
    ],
)
def test_what_is_missing_is_named(api: str, arguments: tuple[str, ...], said: str) -> None:
    error = run(api, *arguments).exception
    assert isinstance(error, UserError) and said in str(error)


def test_a_report_tells_both_policies_and_where_they_part(capsys: pytest.CaptureFixture[str]) -> None:
    figures = {"gpu_hours": 4.0, "cost_usd": 10.0, "attainment_estimate": 0.995, "attainment_measured": None}
    difference = {
        "at_s": 0.0,
        "live_active": 2,
        "candidate_active": 4,
        "live_sentence": "Keep 2",
        "candidate_sentence": "4",
    }
    found = {"service": "chat", "number": 1, "author": "ada", "started_at_s": 0.0, "outcome": "", "sentence": "Dearer."}
    reported(found | {"live": figures, "candidate": figures, "differences": [difference]}, json=False)
    told = capsys.readouterr().out
    assert "Dearer." in told and "99.50 %" in told and "live 2, candidate 4" in told and "Keep 2" in told


def test_a_watch_says_what_it_lacks() -> None:
    found = {"outcome": "watching", "version": 2, "left_s": 600.0, "missing_s": 90.0, "late_after": None}
    assert "10 min to go, 1.5 min longer" in fares(found | {"late_before": 0.01})
    assert fares({"outcome": "rolled_back", "said": "version 3"}) == "rolled back: version 3"
