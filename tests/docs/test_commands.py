"""Every command on every page is one that exists, with options that it has and as many arguments as it takes."""

from __future__ import annotations

import re
import tomllib
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import pytest

from tests.docs.commands import Call, calls, refused, unknown_options
from tests.docs.pages import ROOT

OURS = calls("leadtime")
MODULES = calls("python -m")
PLACEHOLDER = re.compile(r"^[A-Z][A-Z_]+$")
OTHERS_MODULES = ("venv", "pip", "http.server")


@pytest.fixture(autouse=True)
def somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Authors default to who is logged in."""
    monkeypatch.setenv("USER", "somebody")


def test_there_is_something_to_check() -> None:
    assert len(OURS) > 60 and len(MODULES) > 10
    assert {"README.md", "docs/start.md"} <= {call.line.page for call in OURS}


@pytest.mark.parametrize("call", [call for call in OURS if not call.mentioned], ids=str)
def test_our_commands_would_be_taken(call: Call) -> None:
    assert refused(call.words[1:]) is None


@pytest.mark.parametrize("call", [call for call in OURS if call.mentioned], ids=str)
def test_commands_that_are_mentioned_exist_with_their_options(call: Call) -> None:
    assert unknown_options(call.words[1:]) == []


@pytest.mark.parametrize("call", MODULES, ids=str)
def test_modules_exist_with_their_options(call: Call) -> None:
    name = call.words[2]
    if name in OTHERS_MODULES:
        return
    found = find_spec(name)
    assert found is not None and found.origin is not None
    folder = Path(found.origin)
    main = folder.with_name("__main__.py") if folder.name == "__init__.py" else folder
    source = main.read_text(encoding="utf-8")
    options = re.findall(r"(?<![\w-])--[a-z][\w-]*", " ".join(call.words[3:]))
    assert [option for option in options if not declares(source, option)] == []


def declares(source: str, option: str) -> bool:
    """Whether a module's source has the option: said to argparse, or a parameter of a function for typer."""
    parameter = option.strip("-").replace("-", "_")
    return f'"{option}"' in source or bool(re.search(rf"\b{parameter}: Annotated\[", source))


@pytest.mark.parametrize("call", calls("make"), ids=str)
def test_targets_exist(call: Call) -> None:
    targets = re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    named = [word for word in call.words[1:] if "=" not in word and not PLACEHOLDER.match(word)]
    assert set(named) <= set(targets)


@pytest.mark.parametrize("call", calls("pytest", "python", "kubectl", "helm", "podman", "docker"), ids=str)
def test_files_of_the_repository_exist(call: Call) -> None:
    ours = [word for word in files(call.words) if re.match(r"(tests|deploy|benchmarks|app|docs)/", word)]
    assert [word for word in ours if not (ROOT / word.partition("::")[0]).exists()] == []


def files(words: tuple[str, ...]) -> list[str]:
    """Words that can be files: with kubectl, where a Deployment is written alike, only those after -f."""
    if words[0] == "kubectl":
        return [word for before, word in pairwise(words) if before == "-f"]
    return list(words[1:])


@pytest.mark.parametrize("call", calls("pip"), ids=str)
def test_extras_exist(call: Call) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = re.findall(r"leadtime\[([\w,]+)\]", " ".join(call.words))
    assert {extra for found in extras for extra in found.split(",")} <= set(project["optional-dependencies"])
