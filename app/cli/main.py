"""The command ``leadtime``: one file per command, imported only when it runs.

Promise: ``leadtime --help`` imports neither numerics nor the web stack; a ``UserError`` is one line on stderr
and exit code 2; a broken pipe or Ctrl-C ends quietly.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from app.cli import (
    agent,
    audit,
    backtest,
    catalog,
    console,
    daemon,
    doctor,
    explain,
    external_scaler,
    fleet,
    forecast,
    manifest,
    plan,
    policy,
    policy_overrides,
    policy_trials,
    replay,
    report,
    router,
    simulate,
    token,
    tune,
    up,
)
from app.errors import UserError

app = typer.Typer(
    help="Keeps fleets of LLM serving replicas exactly as large as they will need to be.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("up", help=up.HELP)(up.up)
app.command("daemon", help=daemon.HELP)(daemon.daemon)
app.command("agent", help=agent.HELP)(agent.agent)
app.command("router", help=router.HELP)(router.router)
app.command("external-scaler", help=external_scaler.HELP)(external_scaler.external_scaler)
app.command("console", help=console.HELP)(console.console)
app.command("backtest", help=backtest.HELP)(backtest.backtest)
app.command("tune", help=tune.HELP)(tune.tune)
app.add_typer(forecast.app, name="forecast", help=forecast.HELP)
app.add_typer(catalog.app, name="catalog", help=catalog.HELP)
policy.app.command()(policy_trials.shadow)
policy.app.command()(policy_trials.watch)
for override in (
    policy_overrides.freeze,
    policy_overrides.pin,
    policy_overrides.at_least,
    policy_overrides.overrides,
    policy_overrides.lift,
):
    policy.app.command()(override)
app.add_typer(policy.app, name="policy", help=policy.HELP)
app.add_typer(audit.app, name="audit", help=audit.HELP)
app.add_typer(token.app, name="token", help=token.HELP)
app.command("plan", help=plan.HELP)(plan.plan)
app.command("simulate", help=simulate.HELP)(simulate.simulate)
app.command("manifest", help=manifest.HELP)(manifest.manifest)
app.command("replay", help=replay.HELP)(replay.replay)
app.command("report", help=report.HELP)(report.report)
app.command("explain", help=explain.HELP)(explain.explain)
app.command("fleet", hidden=True)(fleet.fleet)
app.command("doctor", help=doctor.HELP)(doctor.doctor)


def told(wanted: bool) -> None:
    """Print the version and end, if that is wanted."""
    if wanted:
        from importlib.metadata import version

        typer.echo(f"leadtime {version('leadtime')}")
        raise typer.Exit


@app.callback()
def every(
    version: Annotated[
        bool, typer.Option("--version", callback=told, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """What all commands have in common."""


def main() -> None:
    """Run the command line."""
    try:
        app()
    except UserError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
