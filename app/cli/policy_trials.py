"""``leadtime policy shadow`` and ``watch``: try a policy beside the live one, and look at the one just applied."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli import output
from app.cli.client import API, get, part, request
from app.cli.policy import Api, Base, Json, Service, Watch, base, written
from app.errors import UserError

Author = Annotated[str, typer.Option(envvar="USER", help="Who does it.")]
Reason = Annotated[str, typer.Option(help="Why, in a few words; kept with the candidate or the version.")]


def shadow(
    service: Service,
    file: Annotated[Path | None, typer.Argument(help="YAML file with the candidate, a whole policy.")] = None,
    report: Annotated[bool, typer.Option("--report", help="What the candidate would have done, so far.")] = False,
    stop: Annotated[bool, typer.Option("--stop", help="End the candidate; its report stays.")] = False,
    promote: Annotated[bool, typer.Option("--promote", help="Make the candidate the next version.")] = False,
    author: Author = "",
    reason: Reason = "",
    base_version: Base = None,
    watch: Watch = 1800.0,
    api: Api = API,
    json: Json = False,
) -> None:
    """Let a candidate policy decide beside the live one without being applied, and compare the two."""
    if sum((file is not None, report, stop, promote)) != 1:
        raise UserError("give one of: a FILE to start a candidate, --report, --stop, --promote")
    path = f"/policies/{part(service)}/shadow"
    if report:
        return reported(get(api, path), json)
    by = signed(author, reason)
    if promote:
        change = by | {"base_version": base(api, service, base_version), "watch_s": watch}
        return written(request("POST", api, f"{path}/promote", json=change), json, watch)
    if stop:
        return reported(request("POST", api, f"{path}/stop", json=by), json)
    made = request("PUT", api, path, json=by | {"policy": policy_in(file)})
    if json:
        return output.json_out(made)
    typer.echo(
        f"{service}: candidate {made['number']} decides beside version {made['live_version']}; nothing is applied"
    )


def watch(
    service: Service,
    end: Annotated[bool, typer.Option("--end", help="Stop watching; the version stays in force.")] = False,
    author: Author = "",
    reason: Reason = "",
    api: Api = API,
    json: Json = False,
) -> None:
    """Say how the policy that was applied last fares on watch."""
    path = f"/policies/{part(service)}/watch"
    found = request("POST", api, f"{path}/end", json=signed(author, reason)) if end else get(api, path)
    if json:
        return output.json_out(found)
    typer.echo(f"{service}: {fares(found)}")
    rows = [
        [number(burn["long"]), number(burn["short"]), f"{burn['limit']:g}", windows(burn)] for burn in found["burns"]
    ]
    output.out().print(output.table(None, ["long", "short", "limit", "windows"], rows))


def policy_in(file: Path | None) -> dict[str, Any]:
    """The policy in a file."""
    from app.yamlfile import load_yaml
    from autoscaler.policy import Policy

    assert file is not None
    return load_yaml(file, Policy).model_dump(mode="json")


def signed(author: str, reason: str) -> dict[str, Any]:
    """Author and reason; both are needed."""
    if not author or len(reason) < 3:
        raise UserError("--author and --reason: say who does it, and why in three characters or more")
    return {"author": author, "reason": reason}


def reported(found: dict[str, Any], json: bool) -> None:
    """The disagreement: one sentence, both policies in figures, the largest differences."""
    if json:
        return output.json_out(found)
    state = found["outcome"] or "running"
    begun = output.when(found["started_at_s"])
    typer.echo(f"{found['service']}: candidate {found['number']} by {found['author']} since {begun} UTC, {state}")
    typer.echo(found["sentence"])
    sides = [side(name, found[name]) for name in ("live", "candidate")]
    columns = ["policy", "GPU-hours", "USD", "attainment, estimated", "measured"]
    output.out().print(output.table(None, columns, sides, numbers=4))
    for difference in found["differences"]:
        wanted = f"live {difference['live_active']}, candidate {difference['candidate_active']}"
        typer.echo(f"{output.when(difference['at_s'])} UTC: {wanted}")
        typer.echo(f"  live       {difference['live_sentence']}")
        typer.echo(f"  candidate  {difference['candidate_sentence']}")


def side(name: str, figures: dict[str, Any]) -> list[str]:
    """One policy as a line of the table."""
    shares = [share(figures[f"attainment_{how}"]) for how in ("estimate", "measured")]
    return [name, output.number(figures["gpu_hours"]), output.number(figures["cost_usd"]), *shares]


def share(value: float | None) -> str:
    """A share as per cent."""
    return output.number(None if value is None else 100 * value, 2, " %")


def number(value: float | None) -> str:
    """A burn rate beyond before."""
    return output.number(value, 1)


def fares(found: dict[str, Any]) -> str:
    """A watch in one line."""
    if found["outcome"] != "watching":
        return f"{found['outcome'].replace('_', ' ')}: {found['said']}"
    shares = f"{share(found['late_after'])} of requests late, {share(found['late_before'])} before"
    missing = f", {found['missing_s'] / 60:.1f} min longer for want of measurements" if found["missing_s"] else ""
    return f"version {found['version']} is on watch, {found['left_s'] / 60:.0f} min to go{missing}: {shares}"


def windows(burn: dict[str, Any]) -> str:
    """The two windows of an alert."""
    return f"{burn['long_s'] / 60:.3g} min and {burn['short_s'] / 60:.3g} min"
