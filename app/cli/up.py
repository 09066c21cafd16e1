"""``leadtime up``: fleet, daemon and console in one process tree on this machine.

No account, no GPU, no cluster. With a trace it replays it, prints what the run came to and ends; without one
it runs the built-in workload until Ctrl-C.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli import output
from app.errors import UserError

if TYPE_CHECKING:
    from app.cli.supervise import Supervisor
    from app.settings import Settings

HELP = "Run everything on this machine: a simulated fleet, the daemon with its API, the console."
BUILT_IN = Path(__file__).parent / "simulated.yaml"
READY_WITHIN_S = 60.0

Port = Annotated[int | None, typer.Option(min=1, max=65535)]


@dataclass(frozen=True, slots=True)
class Run:
    """What to start, settled before anything is."""

    settings: Settings
    config: Path
    trace: Path | None
    speed: float
    console: bool

    @property
    def api(self) -> str:
        """Address of the API."""
        return f"http://{self.settings.api.host}:{self.settings.api.port}"

    def health(self) -> dict[str, str]:
        """What answers 200 once each part serves."""
        checks = {"fleet": f"{self.settings.fleet.url}/healthz", "daemon": f"{self.api}/readyz"}
        if self.console:
            at = self.settings.console
            checks["console"] = f"http://{at.host}:{at.port}/_stcore/health"
        return checks


def up(
    trace: Annotated[Path | None, typer.Option(help="Replay this trace and end with a summary.")] = None,
    speed: Annotated[
        float, typer.Option(min=0.1, max=10_000, help="Times real speed: at 60 a minute shows an hour, 1 is real time.")
    ] = 60.0,
    fleet: Annotated[str, typer.Option(help="Kind of fleet: simulated.")] = "simulated",
    config: Annotated[Path | None, typer.Option(help="Fleet file; a built-in fleet if absent.")] = None,
    state: Annotated[Path | None, typer.Option(help="Keep store and logs here; temporary if absent.")] = None,
    api_port: Port = None,
    console_port: Port = None,
    fleet_port: Port = None,
    no_console: Annotated[bool, typer.Option("--no-console", help="Start no console.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the summary as one JSON document.")] = False,
) -> None:
    """Start, wait, and stop everything again."""
    if fleet != "simulated":
        raise UserError(f"--fleet {fleet}: not available; give --fleet simulated")
    if trace is not None and not trace.is_file():
        raise UserError(f"{trace}: no such file; give a trace as parquet or CSV")
    with folder(state) as home:
        settings = settled(config, trace, home, api_port, console_port, fleet_port)
        run = Run(settings, write(settings, home), trace, speed, not no_console)
        refuse_ports(run)
        supervise(run, home, json)


@contextmanager
def folder(state: Path | None) -> Iterator[Path]:
    """The folder of this run: the given one, or a temporary one that goes with it."""
    if state is None:
        with tempfile.TemporaryDirectory(prefix="leadtime-", ignore_cleanup_errors=True) as made:
            yield Path(made)
        return
    try:
        state.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--state {state}: {error.strerror}; give a folder that can be written") from None
    yield state.resolve()


def settled(
    config: Path | None,
    trace: Path | None,
    home: Path,
    api_port: int | None,
    console_port: int | None,
    fleet_port: int | None,
) -> Settings:
    """The fleet file with this run's ports and folder; the built-in one is cut to one service for a trace."""
    from app.settings import Settings, load

    chosen = load(config or BUILT_IN).model_dump(mode="json")
    if config is None:
        chosen["store"]["url"] = f"sqlite:///{home / 'leadtime.db'}"
        if trace is not None:
            chosen["services"] = chosen["services"][:1]
    for part, port in (("api", api_port), ("console", console_port)):
        if port is not None:
            chosen[part]["port"] = port
    if fleet_port is not None:
        chosen["fleet"]["url"] = f"http://127.0.0.1:{fleet_port}"
    return Settings.model_validate(chosen)


def write(settings: Settings, home: Path) -> Path:
    """The settled settings as the file that the children read."""
    import yaml

    path = home / "fleet.yaml"
    path.write_text(yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False), encoding="utf-8")
    return path


def refuse_ports(run: Run) -> None:
    """Stop before anything starts where a port is taken."""
    from app.cli.fleet import address
    from app.cli.ports import refuse_used

    settings = run.settings
    ports = {"fleet": address(settings), "API": (settings.api.host, settings.api.port)}
    if run.console:
        ports["console"] = (settings.console.host, settings.console.port)
    refuse_used(ports)


def supervise(run: Run, home: Path, json: bool) -> None:
    """Start the children, wait for the end of the trace or Ctrl-C, and stop them."""
    from app.cli.supervise import supervised

    with supervised(home) as supervisor:
        try:
            start(run, supervisor)
            wait_ready(run, supervisor)
            announce(run)
            ended = wait_end(run, supervisor)
        except KeyboardInterrupt:
            return
        summarise(ended, json)


def start(run: Run, supervisor: Supervisor) -> None:
    """Start every part at once; each waits for what it needs."""
    from app.cli.console import console_command

    leadtime = [sys.executable, "-m", "app.cli.main"]
    replay = ["--trace", str(run.trace.resolve())] if run.trace else []
    config = ["--config", str(run.config)]
    supervisor.start("fleet", [*leadtime, "fleet", *config, "--speed", str(run.speed), *replay])
    supervisor.start("daemon", [*leadtime, "daemon", *config])
    if run.console:
        at = run.settings.console
        supervisor.start("console", console_command(at.host, at.port), {"LEADTIME_API": run.api})


def wait_ready(run: Run, supervisor: Supervisor) -> None:
    """Return when every part answers; raises ``UserError`` where one ends or stays silent."""
    from app.cli.fleet import hold, release

    waiting = run.health()
    deadline = time.monotonic() + READY_WITHIN_S
    with output.err().status("starting") as status:
        while waiting:
            status.update(f"waiting for {', '.join(waiting)}")
            supervisor.check()
            hold(run.settings)
            waiting = {name: url for name, url in waiting.items() if not answers(url)}
            if waiting and time.monotonic() > deadline:
                silent = ", ".join(f"{name} at {url}" for name, url in waiting.items())
                raise UserError(f"no answer within {READY_WITHIN_S:.0f} s from {silent}")
            time.sleep(0.1 if waiting else 0)
    release(run.settings)


def answers(url: str) -> bool:
    """Whether the address answers 200."""
    import httpx

    try:
        return httpx.get(url, timeout=2.0).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def announce(run: Run) -> None:
    """Say where things are."""
    console = output.err()
    if run.console:
        console.print(f"console  http://{run.settings.console.host}:{run.settings.console.port}")
    console.print(f"API      {run.api}/docs")
    console.print(f"fleet    {run.settings.fleet.url}")
    console.print("Ctrl-C stops everything." if run.trace is None else f"replaying {run.trace.name}")


def wait_end(run: Run, supervisor: Supervisor) -> list[dict[str, Any]]:
    """Return the summary when the trace has ended; without a trace only Ctrl-C ends the wait."""
    from app.cli.fleet import ended_summary

    with output.err().status("running") as status:
        while True:
            supervisor.check()
            if run.trace is not None:
                summary = ended_summary(run.settings, run.api)
                if summary is not None:
                    return summary
            status.update(progress(run.api))
            time.sleep(0.5)


def progress(api: str) -> str:
    """One line on how the fleet is doing."""
    import httpx

    try:
        view = httpx.get(f"{api}/api/v1/fleet", timeout=2.0).raise_for_status().json()
    except httpx.HTTPError:
        return "the API does not answer"
    return (
        f"{output.when(view['clock']['now_s'])} UTC · active {view['replicas_active']} → "
        f"{output.number(view['replicas_desired'], 0)} · {output.number(view['usd_per_hour'])} USD/h"
    )


def summarise(summary: list[dict[str, Any]], json: bool) -> None:
    """What the run came to, per service."""
    if json:
        return output.json_out({"services": summary})
    columns = ["service", "requests", "rejected", "attainment", "GPU-hours", "USD", "USD/1M tokens"]
    columns += ["mean replicas", "decisions", "ups", "downs"]
    output.out().print(output.table("Replay", columns, map(summary_row, summary), numbers=10))


def summary_row(row: dict[str, Any]) -> list[str]:
    """One service as a line."""
    share = row["attainment"]
    return [
        row["service"],
        f"{row['requests']:,}",
        f"{row['rejected']:,}",
        "–" if share is None else f"{share:.2%}",
        output.number(row["gpu_hours"]),
        output.number(row["cost_usd"]),
        output.number(row["usd_per_million_tokens"], 3),
        output.number(row["mean_replicas"]),
        *(str(row[name]) for name in ("decisions", "scale_ups", "scale_downs")),
    ]
