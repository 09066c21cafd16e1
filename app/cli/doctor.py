"""``leadtime doctor``: what works on this machine and what does not, one line each.

Every check ends in ``ok``, ``warn`` or ``fail`` with a detail that says what to do; ``fail`` makes the exit
code 1.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.check import Check
from app.cli import output
from app.cli.client import API_HELP
from app.errors import UserError
from collectors.redact import redacted

if TYPE_CHECKING:
    from app.settings import Settings
    from autoscaler.policy import Routing
    from runtime.agent.client import RemoteFleet

HELP = "Check this machine, the fleet file and what it points at."
NEEDED = ("fastapi", "numba", "numpy", "pandas", "pyarrow", "sqlalchemy", "streamlit", "uvicorn")
OPTIONAL = ("torch", "vllm", "psycopg")
ASK_S = 3.0


def doctor(
    config: Annotated[Path | None, typer.Option(help="The fleet file; the built-in one if absent.")] = None,
    api: Annotated[str | None, typer.Option(help=API_HELP)] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the fleet file's JSON Schema.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Look at everything and say how it is."""
    from app.cli.up import BUILT_IN
    from app.settings import Settings, load

    if schema:
        return output.json_out(Settings.model_json_schema())
    settings = load(config or BUILT_IN)
    found = [*machine(), *ports(settings), *reach(settings, api)]
    checks = [replace(check, detail=redacted(check.detail)) for check in found]
    if json:
        output.json_out({"checks": [asdict(check) for check in checks]})
    else:
        rows = [(check.status, check.name, check.detail) for check in checks]
        output.out().print(output.table(None, ["", "check", "detail"], rows))
    if any(check.status == "fail" for check in checks):
        raise typer.Exit(1)


def machine() -> Iterator[Check]:
    """Python and the packages."""
    from importlib.metadata import PackageNotFoundError, version

    found = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info >= (3, 11)
    yield Check("python", "ok" if good else "fail", found if good else f"{found}; install Python 3.11 or newer")
    for package in (*NEEDED, *OPTIONAL):
        try:
            yield Check(package, "ok", version(package))
        except PackageNotFoundError:
            needed = package in NEEDED
            detail = "not installed; run make run" if needed else "not installed; an optional extra"
            yield Check(package, "fail" if needed else "warn", detail)


def ports(settings: Settings) -> Iterator[Check]:
    """Whether ``leadtime up`` could listen where the file says."""
    from app.cli.fleet import address
    from app.cli.ports import problem_of

    wanted = {
        "API port": (settings.api.host, settings.api.port),
        "console port": (settings.console.host, settings.console.port),
    }
    if settings.fleet.kind != "kubernetes":
        wanted = {"fleet port": address(settings)} | wanted
    for name, (host, port) in wanted.items():
        problem = problem_of(host, port)
        yield Check(name, "warn" if problem else "ok", f"{host}:{port}: {problem or 'free'}")


def reach(settings: Settings, api: str | None) -> Iterator[Check]:
    """What the file points at: store, source, router, cluster, API."""
    from app.sending import by_router, routings

    yield store(settings.store.url)
    planned = routings(settings)
    yield from by_router(settings, planned)
    if settings.source.kind == "prometheus":
        yield answering("Prometheus", f"{settings.source.url}/-/ready", "fail")
    if settings.fleet.kind == "kubernetes":
        yield from in_cluster(settings, planned)
    if settings.fleet.kind == "local":
        yield from agents(settings)
    if settings.api.tls is not None:
        yield certificate(settings.api.tls.cert_file)
    at = api or f"{settings.api.scheme}://{settings.api.host}:{settings.api.port}"
    yield answering("API", f"{at.rstrip('/')}/readyz", "fail" if api else "warn")


def in_cluster(settings: Settings, planned: Mapping[str, Routing]) -> Iterator[Check]:
    """The cluster that the file names, and what Prometheus knows of it."""
    import asyncio

    from app.kubernetes.doctor import look
    from app.kubernetes.metrics import seen

    yield from asyncio.run(look(settings, unrouted=unrouted(settings, planned)))
    if settings.source.kind == "prometheus" and settings.source.url:
        engines = {pool.engine for service in settings.services for pool in service.pools}
        yield from seen(settings.source.url, engines, nodes=True)


def unrouted(settings: Settings, planned: Mapping[str, Routing]) -> frozenset[str]:
    """Services that are planned by load because nobody has said anything, where no router of ours is seen."""
    from app.kubernetes.metrics import router_seen
    from app.sending import taken_for_granted

    source = settings.source
    asked = source.kind == "prometheus" and source.url
    if source.gateway_url or (asked and router_seen(asked) is not False):
        return frozenset()
    return taken_for_granted(settings, planned)


def agents(settings: Settings) -> Iterator[Check]:
    """Each agent of the file, or that of this machine: whether it is believed and answers, how long its certificate
    lasts.
    """
    import asyncio

    from app.access.tls import authorities
    from app.agenttokens import shown
    from app.cli.agent import beside
    from runtime.agent.client import RemoteFleet

    fleet = settings.fleet
    if fleet.local is not None and not fleet.agents:  # its url is where it listens, and may be 0.0.0.0
        known = {"": beside(settings)}
    else:
        secret, trust = shown(fleet.token_file), authorities(fleet.ca_file, "fleet.ca_file")
        urls = fleet.agents or {"": fleet.url}
        known = {name: RemoteFleet(url, secret, ASK_S, trust=trust) for name, url in urls.items()}
    for name, one in known.items():
        yield asyncio.run(asked(f"agent {name}".strip(), one, time.time()))


async def asked(name: str, agent: RemoteFleet, now_s: float) -> Check:
    """What an agent answers; one that is not there may not have been started yet."""
    import httpx

    from app.certificates import lasting
    from runtime.agent.client import Untrusted

    try:
        held = f"{agent.url}: {len(await agent.replicas())} replicas"
    except (Untrusted, httpx.HTTPStatusError) as error:
        return Check(name, "fail", str(error))
    except httpx.HTTPError as error:
        return Check(name, "warn", f"{agent.url}: no answer ({error or type(error).__name__}); is it running?")
    finally:
        await agent.close()
    if agent.expires_s is None:
        return Check(name, "ok", held)
    told = lasting(name, agent.expires_s, now_s)
    return replace(told, detail=f"{held}; its certificate {told.detail}")


def certificate(file: Path) -> Check:
    """How long the API's certificate lasts."""
    from app.certificates import file_ends_s, lasting

    name = "API certificate"
    try:
        return lasting(name, file_ends_s(file, "api.tls.cert_file"), time.time())
    except UserError as error:
        return Check(name, "fail", str(error))


def store(url: str) -> Check:
    """Whether the store can be opened; a SQLite file that is not there yet is not made."""
    from sqlalchemy import create_engine, text
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError, SQLAlchemyError

    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").exists():
            return Check("store", "ok", f"{parsed.database} will be made")
        with create_engine(parsed).connect() as connection:
            connection.execute(text("select 1"))
    except ArgumentError:
        return Check("store", "fail", f"{url}: not a database URL; give sqlite:///leadtime.db")
    except (SQLAlchemyError, ImportError) as error:
        return Check("store", "fail", f"{url}: {str(error).splitlines()[0]}")
    return Check("store", "ok", parsed.render_as_string(hide_password=True))


def answering(name: str, url: str, otherwise: str) -> Check:
    """Whether an address answers."""
    import httpx

    try:
        answer = httpx.get(url, timeout=3.0)
    except (httpx.TransportError, httpx.InvalidURL) as error:
        return Check(name, otherwise, f"{url}: no answer ({error or type(error).__name__}); is it running?")
    return Check(name, "ok" if answer.is_success else otherwise, f"{url}: {answer.status_code}")
