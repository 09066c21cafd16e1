"""``leadtime explain``: why a service has the replicas it has, or a rack its GPUs, in a sentence and its numbers."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from app.cli import output
from app.cli.client import API, API_HELP, get, part
from app.errors import UserError

HELP = "Say why a service has the replicas it has."


def explain(
    service: Annotated[str | None, typer.Argument(help="Name of the service.")] = None,
    at: Annotated[str | None, typer.Option(help="Time (ISO 8601 or UTC seconds); the latest if absent.")] = None,
    rack: Annotated[str | None, typer.Option(help="Name of a rack, instead of a service: its latest decision.")] = None,
    api: Annotated[str, typer.Option(help=API_HELP)] = API,
    json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Print the decision in force then."""
    if rack is not None:
        if service is not None or at is not None:
            raise UserError("--rack: is explained alone, as it is now; give no service and no --at")
        return explain_rack(rack, api, json)
    if service is None:
        raise UserError("explain: of what is missing; give the name of a service, or --rack NAME")
    params: dict[str, Any] = {"limit": 1}
    if at is not None:
        # ``before`` is exclusive; a decision taken at that very moment was in force.
        params["before"] = moment(at) + 1e-3
    found = get(api, f"/services/{part(service)}/decisions", params)
    if not found:
        raise UserError(f"{service}: no decision {'before ' + at if at else 'yet'}; wait for the next tick")
    if json:
        return output.json_out(found[0])
    show(found[0])


def explain_rack(name: str, api: str, json: bool) -> None:
    """Print why a rack holds the GPUs that it holds."""
    rows = get(api, "/racks")
    row = next((row for row in rows if row["rack"] == name), None)
    if row is None:
        raise UserError(f"--rack {name}: no such rack; known: {', '.join(row['rack'] for row in rows) or 'none'}")
    if json:
        return output.json_out(row)
    console = output.out()
    console.print(row["sentence"] or "No decision yet; wait for the next tick.", style="bold", markup=False)
    gpus = ", ".join(f"{output.number(row[state], 0)} {state}" for state in ("held", "used", "lent", "ordered"))
    apart, together = (output.number(row[f"needed_{how}"], 0) for how in ("apart", "together"))
    console.print(f"{gpus} of at most {row['max_gpus']} {row['gpu']}, for {', '.join(row['services'])}", markup=False)
    console.print(f"Needed together {together}, each service for itself {apart}", markup=False)
    if row["idle_usd_per_hour"] is not None:
        console.print(f"${row['idle_usd_per_hour']:,.2f} an hour for GPUs that nobody is awake on", markup=False)
    if row["acts"] is False:
        console.print("Not applied: one of the services is not in auto mode", markup=False)


def moment(text: str) -> float:
    """UTC seconds of a time given as ISO 8601 (UTC unless it says otherwise) or as seconds."""
    from datetime import UTC, datetime

    try:
        return float(text)
    except ValueError:
        pass
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise UserError(f"--at {text}: not a time; give 2026-01-31T14:20 or UTC seconds") from None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()


def show(row: dict[str, Any]) -> None:
    """The sentence, the move and every number that took part."""
    console = output.out()
    console.print(row["sentence"], style="bold", markup=False)
    console.print(
        f"{output.when(row['at_s'])} UTC · {row['mode']} · policy version {row['policy_version']} · "
        f"{'applied' if row['applied'] else 'not applied'} · active {row['current_active']} → "
        f"{row['desired_active']}, standby {row['desired_standby']}, asleep {row['desired_asleep']}",
        markup=False,
    )
    if row["usd_per_hour_now"] is not None and row["usd_per_hour_then"] is not None:
        now, then = row["usd_per_hour_now"], row["usd_per_hour_then"]
        console.print(f"${now:,.2f} an hour now, ${then:,.2f} once that is carried out", markup=False)
    for knob in row["tuned"]:
        console.print(f"Tuned: {knob['name']} {knob['now']:g}, where the policy says {knob['own']:g}", markup=False)
    for alternative in row["alternatives"]:
        console.print(f"Otherwise: {alternative['text']}", markup=False)
    rows = [
        ("→" if item["binds"] else "", item["name"], str(item["replicas"]), item["detail"])
        for item in row["constraints"]
    ]
    console.print(output.table(None, ["", "constraint", "replicas", "because"], rows))
