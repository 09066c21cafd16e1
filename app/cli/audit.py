"""``leadtime audit``: who changed what and why, and whether the record of it was touched.

On the store of the fleet file, which asks nobody's word for it, or with ``--api`` through the API.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli import output
from app.cli.client import API_HELP, get
from app.errors import UserError

if TYPE_CHECKING:
    from autoscaler.store.audit import AuditLog

HELP = "See who changed what, and verify the record of it."
app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Config = Annotated[Path, typer.Option(help="The fleet file, whose store keeps the audit.")]
Api = Annotated[str | None, typer.Option(help=f"{API_HELP} Asked instead of the store.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document.")]


@app.command("list")
def list_(
    action: Annotated[str | None, typer.Option(help="Only these, such as policy.write.")] = None,
    who: Annotated[str | None, typer.Option(help="Only what this one changed.")] = None,
    subject: Annotated[str | None, typer.Option(help="Only changes of this service, token, …")] = None,
    text: Annotated[str | None, typer.Option(help="Only entries with this text in them.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Most entries.")] = 50,
    config: Config = Path("fleet.yaml"),
    api: Api = None,
    json: Json = False,
) -> None:
    """Changes, newest first."""
    asked = {"action": action, "who": who, "subject": subject, "text": text}
    given = {name: value for name, value in asked.items() if value is not None}
    rows = get(api, "/audit", given | {"limit": limit}) if api else _listed(config, given, limit)
    if json:
        return output.json_out(rows)
    columns = ["entry", "at (UTC)", "who", "known by", "action", "of", "what", "reason"]
    output.out().print(output.table(None, columns, [line(row) for row in rows]))


@app.command()
def verify(
    head: Annotated[str | None, typer.Option(help="A hash noted before; must be in the chain.")] = None,
    config: Config = Path("fleet.yaml"),
    api: Api = None,
    json: Json = False,
) -> None:
    """Follow the chain; exit code 1 and the first broken link where it does not hold."""
    from dataclasses import asdict

    asked = {"head": head} if head else {}
    verdict = get(api, "/audit/verify", asked) if api else asdict(log_of(config).verify(head))
    if json:
        output.json_out(verdict)
    elif verdict["broken"] is None:
        typer.echo(f"{verdict['entries']} entries, none touched; head {verdict['head']}")
    else:
        typer.echo(f"broken: {verdict['broken']}", err=True)
    if verdict["broken"] is not None:
        raise typer.Exit(1)


def log_of(config: Path) -> AuditLog:
    """The audit in the fleet file's store; raises ``UserError``."""
    from app.settings import load
    from autoscaler.store.audit import AuditLog
    from collectors.store import StoreUnavailable, open_store

    try:
        return AuditLog(open_store(load(config).store.url))
    except (StoreUnavailable, ValueError) as error:
        raise UserError(f"{config}: store.url: {error}") from None


def _listed(config: Path, asked: dict[str, str], limit: int) -> list[dict[str, Any]]:
    from app.api.audit import row
    from app.api.schemas.audit import AuditRow
    from autoscaler.store.audit import Wanted

    action, who, subject, text = (asked.get(name) for name in ("action", "who", "subject", "text"))
    wanted = Wanted(action, who, subject, text)
    return [AuditRow(**row(entry)).model_dump() for entry in log_of(config).list(wanted, limit)]


def line(row: dict[str, Any]) -> list[str]:
    """One change as a line of the table."""
    same = [str(row["seq"]), output.when(row["at_s"]), row["who"], row["by"], row["action"], row["subject"]]
    return [*same, "\n".join(changed(change) for change in row["changes"][:4]), row["reason"]]


def changed(change: dict[str, Any]) -> str:
    """One field in a few words."""
    return f"{change['field']}: {change['old']} → {change['new']}"
