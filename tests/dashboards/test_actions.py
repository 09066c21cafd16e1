"""What alerts tell people to do can be done: commands, options and settings of the policy exist."""

from __future__ import annotations

import re

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from app.cli.main import app
from autoscaler.policy import Policy
from dashboards import alerts
from dashboards.alert import Alert, plain
from dashboards.settings import Settings

ALERTS = [alert for group in alerts.groups(Settings()) for alert in group.alerts]
QUOTED = sorted({words for alert in ALERTS for words in re.findall(r"`([^`]+)`", plain(alert.action))})


@pytest.mark.parametrize("line", [words for words in QUOTED if words.startswith("leadtime ")])
def test_commands_and_options_exist(line: str) -> None:
    command = get_command(app)
    words = line.split()[1:]
    while isinstance(command, TyperGroup):
        command = command.commands[words.pop(0)]
    options = {name for parameter in command.params for name in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options


@pytest.mark.parametrize("key", [words for words in QUOTED if re.fullmatch(r"[a-z_]+\.[a-z_]+(: \w+)?", words)])
def test_settings_of_the_policy_exist(key: str) -> None:
    section, name = key.split(":")[0].split(".")
    assert name in Policy().model_dump()[section]


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_every_alert_says_what_to_do(alert: Alert) -> None:
    assert "`" in alert.action or "page" in alert.action or "reset the GPU" in alert.action
    assert alert.reason.endswith(".") and alert.action.endswith(".") and not alert.summary.endswith(".")
