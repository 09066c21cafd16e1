"""A folder with every file that the documentation's commands name, and a fleet of ``leadtime up`` behind their API."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pandas as pd
import yaml
from click.testing import Result
from typer.testing import CliRunner

from app.cli.main import app
from tests.docs.commands import Call, calls, resolved
from tests.docs.pages import ROOT
from tests.runtime.catalog.samples import HEADER, LINE, rows

AT_API = ("policy", "explain")
"""Commands that ask the API of whoever runs; the others work on files and on the store of fleet.yaml."""

SHORTER = {
    "tune": ("--screen", "30", "--confirm", "1", "--against", "hpa", "--no-cache"),
    "plan": ("--gpu", "h100,l4", "--precision", "fp8"),
}
"""What makes a command that searches for long search for less."""


def trace() -> str:
    """The shell line of docs/start.md that writes ``requests.csv``."""
    (made,) = calls("awk", pages=[ROOT / "docs/start.md"])
    return made.line.text


def fleet_file() -> str:
    """The first block of YAML in docs/configuration.md, with the model that ``leadtime manifest`` needs."""
    text = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    found = re.search(r"```yaml\n(.*?)```", text, re.S)
    assert found
    file = yaml.safe_load(found[1])
    file["services"][0]["pools"][0]["launch"] = {"model": "Qwen/Qwen3-32B"}
    return yaml.safe_dump(file)


def measurements() -> str:
    """A table of measured points as ``catalog fit`` reads it."""
    told = [
        LINE.replace("1024,1024,64.0", f"{r.input_tokens},{r.output_tokens},{r.concurrency}").replace(
            "28.77", f"{r.tpot_ms}"
        )
        for r in rows()
    ]
    return "\n".join([HEADER, *told]) + "\n"


def furnish(folder: Path) -> None:
    """Put every file there."""
    subprocess.run(["bash", "-c", trace()], cwd=folder, check=True)
    pd.read_csv(folder / "requests.csv").to_parquet(folder / "requests.parquet")
    (folder / "MEASUREMENTS.csv").write_text(measurements(), encoding="utf-8")
    (folder / "fleet.yaml").write_text(fleet_file(), encoding="utf-8")


@dataclass(slots=True)
class Room:
    """Runs calls as they stand, but at the API of this room, and with what placeholders stand for."""

    api: str
    runner: CliRunner = field(default_factory=CliRunner)

    def run(self, call: Call) -> Result:
        """The result of one call of ours; its output goes into the file that the call says."""
        words = [self.meant(word) for word in call.words[1:]]
        words += SHORTER.get(words[0], ())
        if words[0] in AT_API and "--api" in options(tuple(words)):
            words += ["--api", self.api]
        done = self.runner.invoke(app, words)
        if call.into:
            Path(call.into).write_text(done.stdout, encoding="utf-8")
        return done

    def meant(self, word: str) -> str:
        """What a placeholder stands for here."""
        if word == "TRACE_OR_SERIES":
            return "requests.parquet"
        if word == "ID":
            return str(httpx.get(f"{self.api}/api/v1/overrides").json()[0]["id"])
        return word


def options(words: tuple[str, ...]) -> set[str]:
    """The options of the command that words name."""
    command, _ = resolved(words)
    return {name for one in command.params for name in one.opts}
