"""``leadtime policy``: list, show, apply, compare, try out and roll back policies through the API.

A change names the version it was made from; the API refuses it where somebody was faster, and nothing is
merged.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli import output
from app.cli.client import API, API_HELP, get, part, request
from app.errors import UserError

HELP = "See and change the policies of services."
app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Api = Annotated[str, typer.Option(help=API_HELP)]
Json = Annotated[bool, typer.Option("--json", help="One JSON document.")]
Service = Annotated[str, typer.Argument(help="Name of the service.")]
Author = Annotated[str, typer.Option(envvar="USER", help="Who makes the change.")]
Reason = Annotated[str, typer.Option(help="Why, in a few words; kept with the version.")]
Base = Annotated[int | None, typer.Option(help="Version the change was made from; the newest if absent.")]
Watch = Annotated[
    float,
    typer.Option(min=0, max=21600, help="Watch the SLO for so many seconds and roll back if it burns; 0: do not."),
]


@app.command("list")
def list_(api: Api = API, json: Json = False) -> None:
    """Every service's policy in force."""
    versions = get(api, "/policies")
    if json:
        return output.json_out(versions)
    columns = ["service", "mode", "version", "changed", "author", "reason", "min", "max"]
    output.out().print(output.table(None, columns, [list_row(version) for version in versions], numbers=2))


def list_row(version: dict[str, Any]) -> list[str]:
    """One policy as a line."""
    policy = version["policy"]
    bounds = policy["replicas"]
    changed = [output.when(version["at_s"]), version["author"], version["reason"]]
    return [
        version["service"],
        policy["mode"],
        str(version["version"]),
        *changed,
        str(bounds["min"]),
        str(bounds["max"]),
    ]


@app.command()
def show(service: Service, api: Api = API, json: Json = False) -> None:
    """The policy in force, as YAML that ``apply`` takes."""
    version = get(api, f"/policies/{part(service)}")
    if json:
        return output.json_out(version)
    typer.echo(f"# {service}, version {version['version']} by {version['author']}: {version['reason']}")
    typer.echo(yaml_of(version["policy"]), nl=False)


def yaml_of(policy: dict[str, Any]) -> str:
    """A policy as YAML in the order of its fields."""
    import yaml

    return yaml.safe_dump(policy, sort_keys=False, allow_unicode=True)


@app.command()
def apply(
    service: Service,
    file: Annotated[Path, typer.Argument(help="YAML file with the whole policy.")],
    author: Author,
    reason: Reason,
    base_version: Base = None,
    watch: Watch = 1800.0,
    api: Api = API,
    json: Json = False,
) -> None:
    """Make a file's policy the next version; it is taken back by itself if the SLO burns faster than before."""
    from app.yamlfile import load_yaml
    from autoscaler.policy import Policy

    policy = load_yaml(file, Policy).model_dump(mode="json")
    change = {
        "policy": policy,
        "base_version": base(api, service, base_version),
        "author": author,
        "reason": reason,
        "watch_s": watch,
    }
    refuse_committed(api, service, policy)
    written(request("PUT", api, f"/policies/{part(service)}", json=change), json, watch)


@app.command()
def rollback(
    service: Service,
    to: Annotated[int, typer.Option(help="Version whose content comes back.")],
    author: Author,
    reason: Reason,
    base_version: Base = None,
    api: Api = API,
    json: Json = False,
) -> None:
    """Bring an older version's content back as the next version."""
    change = {
        "to_version": to,
        "base_version": base(api, service, base_version),
        "author": author,
        "reason": reason,
    }
    written(request("POST", api, f"/policies/{part(service)}/rollback", json=change), json)


def refuse_committed(api: str, service: str, policy: dict[str, Any]) -> None:
    """Print what to commit, where policies are committed and not written through the API."""
    checked = request("POST", api, f"/policies/{part(service)}/check", json={"policy": policy})
    if yaml := checked.get("commit"):
        output.out().print(yaml, end="", markup=False, highlight=False, soft_wrap=True)
        raise UserError(f"policies of this fleet are committed, so nothing was applied; commit the YAML of {service}")


def base(api: str, service: str, given: int | None) -> int:
    """The version a change starts from."""
    return int(get(api, f"/policies/{part(service)}")["version"]) if given is None else given


def written(version: dict[str, Any], json: bool, watch_s: float = 0.0) -> None:
    """Say which version is in force now, and whether it is on watch."""
    if json:
        return output.json_out(version)
    number, acts = version["version"], version["policy"]["mode"] == "auto"
    watched = f", on watch for {watch_s / 60:g} min" if watch_s and acts and number > 1 else ""
    typer.echo(f"{version['service']}: version {number} is in force{watched}")


@app.command()
def diff(
    service: Service,
    from_: Annotated[int | None, typer.Option("--from", help="Older version; the one before --to if absent.")] = None,
    to: Annotated[int | None, typer.Option(help="Newer version; the newest if absent.")] = None,
    api: Api = API,
    json: Json = False,
) -> None:
    """What changed from one version to another."""
    newer = base(api, service, to)
    older = newer - 1 if from_ is None else from_
    if older < 1:
        raise UserError(f"{service}: version {newer} is the first; there is nothing to compare it with")
    compared = get(api, f"/policies/{part(service)}/diff", {"from": older, "to": newer})
    if json:
        return output.json_out(compared)
    typer.echo(compared["yaml_diff"].rstrip("\n") or "no difference")


@app.command()
def history(service: Service, api: Api = API, json: Json = False) -> None:
    """Every version, newest first."""
    versions = get(api, f"/policies/{part(service)}/history")
    if json:
        return output.json_out(versions)
    rows = [[str(v["version"]), output.when(v["at_s"]), v["author"], v["reason"]] for v in versions]
    output.out().print(output.table(None, ["version", "at (UTC)", "author", "reason"], rows))
