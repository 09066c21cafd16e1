"""A YAML file as a pydantic model; a mistake is told as ``file:line: key: what is wrong; what is right``.

Only the first mistake is told: mend it and the next one shows. A key given twice is a mistake too, where YAML
itself would keep the last in silence.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from app.errors import UserError
from app.validation import Location, dotted, explain, place

Model = TypeVar("Model", bound=BaseModel)
BOOL = "tag:yaml.org,2002:bool"
DEEPEST = 40
MOST_VALUES = 1_000_000


class Loader(yaml.SafeLoader):
    """YAML 1.2's booleans: ``off`` is the mode and not False."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - the base class's own attribute
        first: [(tag, pattern) for tag, pattern in resolvers if tag != BOOL]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


class Plain(yaml.SafeLoader):
    """YAML that strangers type: no aliases, which a few lines can make a million values of, and no endless nesting."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """A node, unless it is an alias or lies too deep."""
        mark = parent.start_mark if parent is not None else None
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "an alias is not taken here; write it out", mark)
        self.depth += 1
        if self.depth > DEEPEST:
            raise yaml.composer.ComposerError(None, None, "nested too deeply", mark)
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


Loader.add_implicit_resolver(BOOL, re.compile("^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))


def load_yaml(path: Path, model: type[Model]) -> Model:
    """The file as ``model``; raises ``UserError`` with one line where that cannot be."""
    root = compose(path, read_text(path))
    if root is None:
        raise UserError(f"{path}: is empty; give {model.__name__.lower()} keys, see leadtime doctor --schema")
    refuse_endless(path, root)
    refuse_duplicates(path, root)
    try:
        return model.model_validate(Loader("").construct_document(root))
    except ValidationError as error:
        first = telling(error.errors())
        location = place(first)
        said = explain(first, model.model_json_schema())
        raise UserError(f"{path}:{line_of(root, location)}: {dotted(location)}: {said}") from None
    except yaml.constructor.ConstructorError as error:
        raise UserError(f"{path}:{mark_line(error)}: {error.problem}; give plain YAML values") from None


def telling(errors: Sequence[ErrorDetails]) -> ErrorDetails:
    """The first mistake; but where a key is missing, an unknown one beside it is most likely that key misspelt."""
    first = errors[0]
    if first["type"] != "missing":
        return first
    beside = (e for e in errors if e["type"] == "extra_forbidden" and place(e)[:-1] == place(first)[:-1])
    return next(beside, first)


def read_text(path: Path) -> str:
    """The file's text; an unreadable file is the user's to mend."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; give the path of a YAML file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {error}; give a readable UTF-8 file") from None


def compose(path: Path, text: str) -> yaml.Node | None:
    """The document as nodes, which know their lines."""
    try:
        return yaml.compose(text, Loader=Loader)
    except yaml.MarkedYAMLError as error:
        problem = error.problem or "cannot be parsed"
        raise UserError(f"{path}:{mark_line(error)}: YAML syntax: {problem}; check indentation") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path}: YAML syntax: {error}") from None
    except RecursionError:
        raise UserError(f"{path}: YAML syntax: nested too deeply; give plain YAML values") from None


def mark_line(error: yaml.MarkedYAMLError) -> int:
    """The line of a YAML error, from 1."""
    return error.problem_mark.line + 1 if error.problem_mark else 1


def refuse_endless(path: Path, root: yaml.Node) -> None:
    """Raise for a file whose aliases stand for more than ``MOST_VALUES`` values, or for themselves."""
    sizes: dict[int, int | None] = {}

    def size(node: yaml.Node) -> int:
        if id(node) in sizes:
            known = sizes[id(node)]
            if known is None:
                raise UserError(f"{path}:{node.start_mark.line + 1}: an alias stands for itself; write it out")
            return known
        sizes[id(node)] = None
        items = node.value if isinstance(node, yaml.CollectionNode) else []
        parts = [part for item in items for part in (item if isinstance(item, tuple) else (item,))]
        sizes[id(node)] = found = 1 + sum(map(size, parts))
        return found

    if size(root) > MOST_VALUES:
        raise UserError(f"{path}: its aliases stand for more than {MOST_VALUES:,} values; write less by alias")


def refuse_duplicates(path: Path, node: yaml.Node, location: Location = ()) -> None:
    """Raise for a key that stands twice in one mapping."""
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            refuse_duplicates(path, item, (*location, index))
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            here = (*location, str(key.value))
            if key.value in seen:
                line = key.start_mark.line + 1
                raise UserError(f"{path}:{line}: {dotted(here)}: key given twice; keep one of them")
            seen.add(key.value)
            refuse_duplicates(path, value, here)


def line_of(node: yaml.Node, location: Location) -> int:
    """The line, from 1, of the key or item at that place, or of the nearest thing around it."""
    line = node.start_mark.line
    for part in location:
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            node = node.value[part]
            line = node.start_mark.line
            continue
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        found = next(((key, value) for key, value in pairs if str(key.value) == str(part)), None)
        if found is None:
            break
        line, node = found[0].start_mark.line, found[1]
    return line + 1
