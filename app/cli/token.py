"""``leadtime token``: make, list and revoke the tokens that the API lets in.

Works on the daemon's own store, which is how the first token comes to be (who can write the store needs none), or with
``--api`` through the API as an admin. A token's text is printed once, alone on stdout, and kept nowhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.access.principal import Role
from app.cli import output
from app.cli.client import API_HELP, part, request
from app.cli.policy_overrides import seconds
from app.errors import UserError

if TYPE_CHECKING:
    from app.access.tokens import TokenStore

HELP = "Make, list and revoke API tokens."
app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
NEVER = "never"

Config = Annotated[Path, typer.Option(help="The fleet file, whose store keeps the tokens.")]
Api = Annotated[str | None, typer.Option(help=f"{API_HELP} Asked instead of the store, as an admin.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document.")]
Author = Annotated[str, typer.Option(envvar="USER", help="Who does it.")]
Reason = Annotated[str, typer.Option(help="Why, in a few words; kept in the audit.")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Whose it is: a person, a machine, a pipeline.")],
    role: Annotated[Role, typer.Option(help="What it may do.")],
    author: Author,
    reason: Reason,
    service: Annotated[list[str] | None, typer.Option(help="Only this service; may be given again.")] = None,
    expires: Annotated[str, typer.Option(help="When it ends: 12h, 90d, or never.")] = "90d",
    config: Config = Path("fleet.yaml"),
    api: Api = None,
    json: Json = False,
) -> None:
    """Make a token and print it, this once."""
    lasts_s = None if expires == NEVER else seconds(expires, "--expires")
    wish = {"name": name, "role": role.value, "services": service or None, "expires_in_s": lasts_s}
    made = asked(api, "POST", "/tokens", wish | signed(author, reason)) if api else _made(config, wish, author, reason)
    if json:
        return output.json_out(made)
    ends = "never expires" if made["expires_at_s"] is None else f"expires {output.when(made['expires_at_s'])} UTC"
    typer.echo(f"{made['name']}: {made['role']} of {reach(made)}, {ends} ({made['id']})", err=True)
    typer.echo(made["token"])


@app.command("list")
def list_(config: Config = Path("fleet.yaml"), api: Api = None, json: Json = False) -> None:
    """Every token, valid or over, newest first."""
    rows = asked(api, "GET", "/tokens") if api else _listed(config)
    if json:
        return output.json_out(rows)
    columns = ["id", "name", "role", "services", "state", "made (UTC)", "by", "expires (UTC)"]
    output.out().print(output.table(None, columns, [line(row) for row in rows]))


@app.command()
def revoke(
    id: Annotated[str, typer.Argument(help="Id of the token.")],
    author: Author,
    reason: Reason,
    config: Config = Path("fleet.yaml"),
    api: Api = None,
    json: Json = False,
) -> None:
    """End a token at once and for good."""
    if api:
        row = asked(api, "POST", f"/tokens/{part(id)}/revoke", signed(author, reason))
    else:
        row = _revoked(config, id, author, reason)
    if json:
        return output.json_out(row)
    typer.echo(f"{row['name']}: token {row['id']} is {row['state']}")


def asked(api: str, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """The API's answer."""
    return request(method, api, path, json=body)


def signed(author: str, reason: str) -> dict[str, str]:
    """Author and reason."""
    if len(reason) < 3:
        raise UserError("--reason: say why, in three characters or more")
    return {"author": author, "reason": reason}


def store_of(config: Path) -> TokenStore:
    """The tokens in the fleet file's store; raises ``UserError``."""
    from app.access.tokens import TokenStore
    from app.settings import load
    from collectors.store import StoreUnavailable, open_store

    try:
        return TokenStore(open_store(load(config).store.url))
    except (StoreUnavailable, ValueError) as error:
        raise UserError(f"{config}: store.url: {error}") from None


def _made(config: Path, wish: dict[str, Any], author: str, reason: str) -> dict[str, Any]:
    import time

    from app.access.tokens import Wish

    signed(author, reason)
    services = None if wish["services"] is None else frozenset(wish["services"])
    wanted = Wish(wish["name"], Role(wish["role"]), services, wish["expires_in_s"])
    token, text = store_of(config).make(wanted, author, reason, time.time())
    return viewed(token) | {"token": text}


def _listed(config: Path) -> list[dict[str, Any]]:
    return [viewed(token) for token in store_of(config).all()]


def _revoked(config: Path, id: str, author: str, reason: str) -> dict[str, Any]:
    import time

    signed(author, reason)
    try:
        return viewed(store_of(config).revoke(id, author, reason, time.time()))
    except KeyError as error:
        raise UserError(f"{error.args[0]}; leadtime token list shows them") from None


def viewed(token: Any) -> dict[str, Any]:
    """A token of the store as the API would show it."""
    import time

    from app.api.access import view

    shown: dict[str, Any] = view(token, time.time()).model_dump(mode="json")
    return shown


def reach(row: dict[str, Any]) -> str:
    """What it is for."""
    return "all services" if row["services"] is None else ", ".join(row["services"])


def line(row: dict[str, Any]) -> list[str]:
    """One token as a line of the table."""
    ends = NEVER if row["expires_at_s"] is None else output.when(row["expires_at_s"])
    same = [row["id"], row["name"], row["role"], reach(row), row["state"]]
    return [*same, output.when(row["made_at_s"]), row["made_by"], ends]
