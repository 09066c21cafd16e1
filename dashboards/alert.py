"""What an alert is: a condition, how bad it is, and what a person does about it; the runbook is written from it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from dashboards.settings import Settings

Severity = Literal["critical", "warning", "info"]
"""critical: somebody is called; warning: somebody looks today; info: somebody looks this week."""

SERVICE = "{{ $labels.service }}"


@dataclass(frozen=True, slots=True)
class Alert:
    """``summary`` says what is so, ``reason`` what that means, ``action`` what to do; ``page`` is the console's."""

    name: str
    expr: str
    wait: str
    severity: Severity
    summary: str
    reason: str
    action: str
    page: str = ""

    @property
    def anchor(self) -> str:
        """Where the runbook speaks of it."""
        return self.name.lower()

    def rule(self, settings: Settings) -> dict[str, Any]:
        """As Prometheus reads it."""
        link = f" Console: {settings.console_url}/{self.page}"
        return {
            "alert": self.name,
            "expr": self.expr,
            "for": self.wait,
            "labels": {"severity": self.severity},
            "annotations": {
                "summary": self.summary,
                "description": f"{self.reason} {self.action}{link}",
                "runbook_url": f"{settings.runbook_url}#{self.anchor}",
            },
        }

    def section(self) -> str:
        """As the runbook tells it."""
        text = f"{self.reason} {self.action}"
        lines = (
            f"### {self.name}",
            "",
            f"*{self.severity}, after {self.wait}.* {plain(self.summary)}.",
            "",
            plain(text),
            "",
            f"    {self.expr}",
        )
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Group:
    """Alerts that are evaluated together."""

    name: str
    alerts: tuple[Alert, ...]


def plain(text: str) -> str:
    """Templates as words: ``{{ $labels.service }}`` is SERVICE, a value is N."""
    named = re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda match: match.group(1).upper(), text)
    return re.sub(r"\{\{ \$value[^}]*\}\}", "N", named)


def explain() -> str:
    """The command that says why a service has what it has."""
    return f"`leadtime explain {SERVICE}`"
