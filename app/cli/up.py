"""``leadtime up``: fleet, daemon and console in one process tree on this machine.

No account, no GPU, no cluster. With a trace it replays it, prints what the run came to and ends; without one
it runs until Ctrl-C: the built-in workload where the fleet is simulated, whatever comes to its router where it is real.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from app.cli import output
from app.errors import UserError

if TYPE_CHECKING:
    import ssl

    from app.cli.supervise import Supervisor
    from app.settings import Settings
    from app.tlssettings import TlsSettings

HELP = "Run everything on this machine: a fleet, simulated or of real engines, the daemon with its API, the console."
BUILT_IN = Path(__file__).parent / "simulated.yaml"
READY_WITHIN_S = 60.0
TRUST = "SSL_CERT_FILE"
SIMULATED_SPEED, REAL_SPEED = 60.0, 1.0

Port = Annotated[int | None, typer.Option(min=1, max=65535)]


class Kind(StrEnum):
    """What the fleet is made of."""

    SIMULATED = "simulated"
    LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Ports:
    """Ports that were asked for; None is the settings'."""

    api: int | None = None
    console: int | None = None
    fleet: int | None = None
    router: int | None = None


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
        return f"{self.settings.api.scheme}://{self.settings.api.host}:{self.settings.api.port}"

    @property
    def trust(self) -> ssl.SSLContext | bool:
        """By what our own API is known: the certificate that it was given, whoever signed it."""
        return known(self.settings.api.tls, "api.tls")

    @property
    def agent_trust(self) -> ssl.SSLContext | bool:
        """By what our own agent is known, in the same way."""
        local = self.settings.fleet.local
        return known(local.tls if local else None, "fleet.local.tls")

    @property
    def router(self) -> str:
        """Address of the gateway, where engines are real."""
        return f"http://{self.settings.router.host}:{self.settings.router.port}"

    @property
    def real(self) -> bool:
        """Whether engines are real."""
        return self.settings.fleet.kind == "local"

    def health(self) -> dict[str, str]:
        """What answers 200 once each part serves."""
        checks = {"fleet": f"{self.settings.fleet.url}/healthz", "daemon": f"{self.api}/readyz"}
        if self.real:
            checks["router"] = f"{self.router}/healthz"
        if self.console:
            at = self.settings.console
            checks["console"] = f"http://{at.host}:{at.port}/_stcore/health"
        return checks


def up(
    trace: Annotated[Path | None, typer.Option(help="Replay this trace and end with a summary.")] = None,
    speed: Annotated[
        float | None,
        typer.Option(min=0.1, max=10_000, help="Times real speed: 60 for a simulated fleet, 1 for a real one."),
    ] = None,
    fleet: Annotated[str | None, typer.Option(help="simulated or local; the fleet file's kind if absent.")] = None,
    config: Annotated[Path | None, typer.Option(help="Fleet file; a built-in fleet if absent.")] = None,
    model: Annotated[str | None, typer.Option(help="For a local fleet: folder or name; a tiny one if absent.")] = None,
    max_replicas: Annotated[int, typer.Option(min=1, max=64, help="For a local fleet: most replicas.")] = 2,
    python: Annotated[Path | None, typer.Option(help="For a local fleet: the interpreter that has vLLM.")] = None,
    price: Annotated[float, typer.Option(min=0.0, help="For a local fleet: USD per GPU-hour.")] = 1.0,
    state: Annotated[Path | None, typer.Option(help="Keep store and logs here; temporary if absent.")] = None,
    api_port: Port = None,
    console_port: Port = None,
    fleet_port: Port = None,
    router_port: Port = None,
    no_console: Annotated[bool, typer.Option("--no-console", help="Start no console.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the summary as one JSON document.")] = False,
) -> None:
    """Start, wait, and stop everything again."""
    if trace is not None and not trace.is_file():
        raise UserError(f"{trace}: no such file; give a trace as parquet or CSV")
    kind = None if fleet is None else kind_of(fleet)
    ports = Ports(api_port, console_port, fleet_port, router_port)
    with folder(state) as home:
        if kind is Kind.LOCAL and config is None:
            from app.cli.up_local import local_settings

            content = local_settings(home, model, max_replicas, python, price)
        else:
            content = simulated_settings(config, kind, one_service=trace is not None)
        settings = settled(content, home, ports, own_store=config is None)
        paced = speed or (SIMULATED_SPEED if settings.fleet.kind == "simulated" else REAL_SPEED)
        run = Run(settings, write(settings, home), trace, paced, not no_console)
        refuse_ports(run)
        supervise(run, home, json)


def kind_of(name: str) -> Kind:
    """The kind of that name; raises ``UserError`` for one that runs elsewhere, or nowhere."""
    try:
        return Kind(name)
    except ValueError:
        raise UserError(f"--fleet {name}: not available; give {' or '.join(Kind)}") from None


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


def simulated_settings(config: Path | None, fleet: Kind | None, one_service: bool) -> dict[str, Any]:
    """A fleet file's content, or the built-in one's, which is cut to one service for a trace."""
    from app.settings import load

    loaded = load(config or BUILT_IN)
    if fleet is not None and loaded.fleet.kind != fleet:
        raise UserError(f"--fleet {fleet}: {config} has fleet.kind {loaded.fleet.kind}; give one or the other")
    if loaded.fleet.kind == "kubernetes":
        raise UserError(f"{config}: fleet.kind kubernetes is not of this machine; give it to leadtime daemon --config")
    content: dict[str, Any] = loaded.model_dump(mode="json")
    if config is None and one_service:
        content["services"] = content["services"][:1]
    return content


def settled(content: dict[str, Any], home: Path, ports: Ports, own_store: bool) -> Settings:
    """The settings with this run's ports and folder; a real fleet's parts are told of each other."""
    from app.settings import Settings

    chosen = Settings.model_validate(content).model_dump(mode="json")
    if own_store:
        chosen["store"]["url"] = f"sqlite:///{home / 'leadtime.db'}"
    for part, port in (("api", ports.api), ("console", ports.console), ("router", ports.router)):
        if port is not None:
            chosen[part]["port"] = port
    if ports.fleet is not None:
        chosen["fleet"]["url"] = f"{urlsplit(chosen['fleet']['url']).scheme}://127.0.0.1:{ports.fleet}"
    if chosen["fleet"]["kind"] == "local":
        api, router = chosen["api"], chosen["router"]
        scheme = "https" if api["tls"] else "http"
        wake = f"{scheme}://{api['host']}:{api['port']}/api/v1/services/{{service}}/wake"
        router["wake_url"] = router["wake_url"] or wake
        gateway = f"http://{router['host']}:{router['port']}/metrics"
        chosen["source"]["gateway_url"] = chosen["source"]["gateway_url"] or gateway
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
    if run.real:
        ports["router"] = (settings.router.host, settings.router.port)
    refuse_used(ports)


def supervise(run: Run, home: Path, json: bool) -> None:
    """Start the children, wait for the end of the trace or Ctrl-C, and stop them."""
    from app.cli.supervise import supervised

    with supervised(home) as supervisor:
        try:
            start(run, supervisor)
            wait_ready(run, supervisor)
            announce(run)
            if run.real and run.trace is not None:
                return replayed(run, run.trace, supervisor, json)
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
    if run.real:
        supervisor.start("fleet", [*leadtime, "agent", *config])
        supervisor.start("router", [*leadtime, "router", *config], trusting(run.settings))
    else:
        supervisor.start("fleet", [*leadtime, "fleet", *config, "--speed", str(run.speed), *replay])
    supervisor.start("daemon", [*leadtime, "daemon", *config])
    if run.console:
        at = run.settings.console
        env = {"LEADTIME_API": run.api} | trusting(run.settings)
        supervisor.start("console", console_command(at.host, at.port), env)


def trusting(settings: Settings) -> dict[str, str]:
    """By what a part that asks the API knows it: its certificate, unless the environment says what to trust."""
    tls = settings.api.tls
    return {} if tls is None or TRUST in os.environ else {TRUST: str(tls.cert_file.resolve())}


def wait_ready(run: Run, supervisor: Supervisor) -> None:
    """Return when every part answers; raises ``UserError`` where one ends or stays silent."""
    from app.cli.fleet import hold, release

    waiting, trust, agent = run.health(), run.trust, run.agent_trust
    deadline = time.monotonic() + READY_WITHIN_S
    with output.err().status("starting") as status:
        while waiting:
            status.update(f"waiting for {', '.join(waiting)}")
            supervisor.check()
            if not run.real:
                hold(run.settings)
            asked = {name: (url, agent if name == "fleet" else trust) for name, url in waiting.items()}
            waiting = {name: url for name, (url, known_by) in asked.items() if not answers(url, known_by)}
            if waiting and time.monotonic() > deadline:
                silent = ", ".join(f"{name} at {url}" for name, url in waiting.items())
                raise UserError(f"no answer within {READY_WITHIN_S:.0f} s from {silent}")
            time.sleep(0.1 if waiting else 0)
    if not run.real:
        release(run.settings)


def known(tls: TlsSettings | None, name: str) -> ssl.SSLContext | bool:
    """What believes a listener's own certificate alone; True where it has none. Raises ``UserError`` for files that
    cannot be used; ``name`` is their key.
    """
    from app.access.tls import check, pinned

    if tls is None:
        return True
    check(tls, name)
    return pinned(tls)


def answers(url: str, trust: ssl.SSLContext | bool = True) -> bool:
    """Whether the address answers 200."""
    import httpx

    try:
        return httpx.get(url, timeout=2.0, verify=trust).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def announce(run: Run) -> None:
    """Say where things are."""
    console = output.err()
    if run.console:
        console.print(f"console  http://{run.settings.console.host}:{run.settings.console.port}")
    console.print(f"API      {run.api}/docs")
    if run.real:
        console.print(f"router   {run.router}/v1  (model: {', '.join(run.settings.service_names())})")
    console.print(f"fleet    {run.settings.fleet.url}")
    console.print("Ctrl-C stops everything." if run.trace is None else f"replaying {run.trace.name}")


def wait_end(run: Run, supervisor: Supervisor) -> list[dict[str, Any]]:
    """Return the summary when the trace has ended; without a trace only Ctrl-C ends the wait."""
    from app.cli.fleet import ended_summary

    with output.err().status("running") as status:
        while True:
            supervisor.check()
            if run.trace is not None:
                summary = ended_summary(run.settings, run.api, run.trust)
                if summary is not None:
                    return summary
            status.update(progress(run))
            time.sleep(0.5)


def replayed(run: Run, trace: Path, supervisor: Supervisor, json: bool) -> None:
    """Send the trace through the router, for the first service, and tell what a reader there felt."""
    from app.cli.replay import Sending, loaded, show

    service = run.settings.services[0]
    slo = service.policy.slo
    sending = Sending(loaded(trace), run.router, service.name, run.speed)
    with output.err().status("running") as status:
        while sending.running:
            supervisor.check()
            status.update(f"{sending.ended:,} of {sending.trace.requests:,} requests ended · {progress(run)}")
            time.sleep(0.5)
    result = sending.result(slo.ttft_s, slo.tpot_s)
    return output.json_out(result) if json else show(result)


def progress(run: Run) -> str:
    """One line on how the fleet is doing."""
    import httpx

    from app.credential import signed

    try:
        answer = httpx.get(f"{run.api}/api/v1/fleet", timeout=2.0, auth=signed, verify=run.trust)
        view = answer.raise_for_status().json()
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
