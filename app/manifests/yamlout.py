"""Documents as YAML that people read: keys in the order they were given, several lines as a block, no aliases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import yaml

WIDTH = 120


class Dumper(yaml.SafeDumper):
    """Lists are indented under their key, and nothing is written as a reference to something above."""

    def ignore_aliases(self, data: Any) -> bool:
        """Each thing is written where it stands."""
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Never indentless."""
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


Dumper.add_representer(str, _text)


def document(value: Mapping[str, Any]) -> str:
    """One document."""
    return yaml.dump(dict(value), Dumper=Dumper, sort_keys=False, width=WIDTH, allow_unicode=True)


def documents(values: Iterable[Mapping[str, Any]]) -> str:
    """Several documents, told apart as Kubernetes' tools expect."""
    return "---\n".join(map(document, values))
