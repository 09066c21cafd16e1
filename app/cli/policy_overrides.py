"""``leadtime policy freeze``, ``pin``, ``at-least``, ``overrides``, ``lift``: what is decided by hand, for a while.

Every override ends by itself; who made it and why is shown wherever it counts.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

import typer

from app.cli import output
from app.cli.client import API, API_HELP, get, part, request
from app.errors import UserError

Api = Annotated[str, typer.Option(help=API_HELP)]
Json = Annotated[bool, typer.Option("--json", help="One JSON document.")]
Service = Annotated[str, typer.Argument(help="Name of the service.")]
Replicas = Annotated[int, typer.Argument(min=0, help="Active replicas.")]
For = Annotated[str, typer.Option("--for", help="How long: 90s, 30m, 2h, 1h30m, 3d.")]
Author = Annotated[str, typer.Option(envvar="USER", help="Who decides it.")]
Reason = Annotated[str, typer.Option(help="Why, in a few words; shown in every explanation.")]

UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}


def freeze(
    for_: For,
    author: Author,
    reason: Reason,
    service: Annotated[str | None, typer.Argument(help="Name of the service; --all for the whole fleet.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Freeze every service.")] = False,
    api: Api = API,
    json: Json = False,
) -> None:
    """Let nothing change at all, of one service or of the fleet."""
    if (service is None) != everything:
        raise UserError("freeze: give the name of a service, or --all for the whole fleet")
    wish: dict[str, Any] = {"for_s": seconds(for_), "author": author, "reason": reason}
    if service is None:
        return made(request("POST", api, "/freezes", json=wish), json)
    made(request("POST", api, f"/services/{part(service)}/overrides", json=wish | {"kind": "freeze"}), json)


def pin(
    service: Service, replicas: Replicas, for_: For, author: Author, reason: Reason, api: Api = API, json: Json = False
) -> None:
    """Hold exactly so many active replicas, whatever is needed."""
    hold("pin", service, replicas, for_, author, reason, api, json)


def at_least(
    service: Service, replicas: Replicas, for_: For, author: Author, reason: Reason, api: Api = API, json: Json = False
) -> None:
    """Hold at least so many active replicas."""
    hold("at_least", service, replicas, for_, author, reason, api, json)


def hold(kind: str, service: str, replicas: int, for_: str, author: str, reason: str, api: str, json: bool) -> None:
    """Begin an override with a number."""
    wish = {"kind": kind, "replicas": replicas, "for_s": seconds(for_), "author": author, "reason": reason}
    made(request("POST", api, f"/services/{part(service)}/overrides", json=wish), json)


def overrides(
    service: Annotated[str | None, typer.Argument(help="One service, with what is over; else all in force.")] = None,
    api: Api = API,
    json: Json = False,
) -> None:
    """What is decided by hand now, or was for one service."""
    rows = get(api, "/overrides" if service is None else f"/services/{part(service)}/overrides")
    if json:
        return output.json_out(rows)
    columns = ["id", "service", "what", "until (UTC)", "state", "author", "reason"]
    output.out().print(output.table(None, columns, [line(row) for row in rows]))


def lift(
    id: Annotated[str, typer.Argument(help="Id of the override.")], author: Author, api: Api = API, json: Json = False
) -> None:
    """End an override early."""
    row = request("POST", api, f"/overrides/{part(id)}/lift", json={"author": author})
    if json:
        return output.json_out(row)
    typer.echo(f"{row['service'] or 'the fleet'}: {what(row)} is {state(row)}")


def seconds(text: str, option: str = "--for") -> float:
    """Seconds of a duration such as ``1h30m``; ``option`` is who gave it."""
    parts = re.fullmatch(r"((?:\d+(?:\.\d+)?[dhms])+)", text.strip())
    if parts is None:
        raise UserError(f"{option} {text}: not a duration; give one such as 30m, 2h or 1h30m")
    return sum(float(number) * UNITS[unit] for number, unit in re.findall(r"(\d+(?:\.\d+)?)([dhms])", text))


def made(row: dict[str, Any], json: bool) -> None:
    """Say what holds now, and until when."""
    if json:
        return output.json_out(row)
    until = output.when(row["until_s"])
    typer.echo(f"{row['service'] or 'the fleet'}: {what(row)} until {until} UTC ({row['id']})")


def what(row: dict[str, Any]) -> str:
    """An override in two or three words."""
    return {"freeze": "frozen", "pin": f"pinned to {row['replicas']}", "at_least": f"at least {row['replicas']}"}[
        row["kind"]
    ]


def state(row: dict[str, Any]) -> str:
    """Whether it counts."""
    if row["in_force"]:
        return "in force"
    return f"lifted by {row['lifted_by']}" if row["lifted_by"] else "over"


def line(row: dict[str, Any]) -> list[str]:
    """One override as a line of the table."""
    until = output.when(row["until_s"])
    return [row["id"], row["service"] or "(fleet)", what(row), until, state(row), row["author"], row["reason"]]
