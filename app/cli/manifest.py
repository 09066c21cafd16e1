"""``leadtime manifest``: YAML that runs a pool of vLLM engines on Kubernetes, from options or from ``fleet.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from app.manifests.engine import Engine, Volume
    from app.settings import ServiceSettings

HELP = "Print Kubernetes YAML that runs a pool of vLLM engines: workload, Service, disruption budget, policy."
VOLUME = "empty, pvc:NAME or host:/FOLDER."


def manifest(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="Name of the workload; the pool's if absent.")] = None,
    config: Annotated[Path | None, typer.Option(help="A fleet file; with --pool, the pool is taken from it.")] = None,
    pool: Annotated[str | None, typer.Option(help="Pool of the fleet file, or name of the pool.")] = None,
    service: Annotated[str | None, typer.Option(help="Service; requests name it as their model.")] = None,
    model: Annotated[str | None, typer.Option(help="Model: a name that vLLM knows, or a folder.")] = None,
    namespace: Annotated[str | None, typer.Option("--namespace", "-n", help="Namespace; default if absent.")] = None,
    image: Annotated[str | None, typer.Option(help="Image whose vLLM knows --shutdown-timeout, as 0.32 does.")] = None,
    gpus: Annotated[int | None, typer.Option(min=1, help="GPUs of one replica on all its nodes.")] = None,
    nodes: Annotated[
        int | None, typer.Option(min=1, help="Nodes of one replica; more than 1: LeaderWorkerSet.")
    ] = None,
    gpu_product: Annotated[str | None, typer.Option(help="Value of the node label nvidia.com/gpu.product.")] = None,
    replicas: Annotated[int | None, typer.Option(min=0, help="Only where nobody else sets the number.")] = None,
    args: Annotated[
        list[str] | None, typer.Option("--arg", help="A further argument of vLLM; may be repeated.")
    ] = None,
    env: Annotated[list[str] | None, typer.Option(help="KEY=VALUE of the engine; may be repeated.")] = None,
    weights: Annotated[str | None, typer.Option(help=f"Where models are kept: {VOLUME}")] = None,
    cache: Annotated[str | None, typer.Option(help=f"Where compiled code is kept: {VOLUME}")] = None,
    token_secret: Annotated[str | None, typer.Option(help="Secret whose key token opens the model hub.")] = None,
    shm_gib: Annotated[int | None, typer.Option(min=1, help="Shared memory, GiB.")] = None,
    cpus: Annotated[int | None, typer.Option(min=1, help="Cores of one pod.")] = None,
    memory_gib: Annotated[int | None, typer.Option(min=1, help="Host memory of one pod, GiB.")] = None,
    start_s: Annotated[float | None, typer.Option(min=1, help="Longest start, seconds.")] = None,
    drain_s: Annotated[float | None, typer.Option(min=1, help="Longest wait for requests under way, seconds.")] = None,
    sleep: Annotated[bool | None, typer.Option("--sleep/--no-sleep", help="Let replicas sleep.")] = None,
    warm: Annotated[
        bool | None, typer.Option("--warm/--no-warm", help="Placeholder pods that keep nodes warm.")
    ] = None,
    agent: Annotated[
        bool, typer.Option("--agent", help="Pods that run leadtime agent, for pools of the file that share GPUs.")
    ] = False,
    tls_secret: Annotated[
        str | None, typer.Option(help="With --agent: Secret (kubernetes.io/tls) of the agents' certificate, for HTTPS.")
    ] = None,
    policy: Annotated[bool, typer.Option("--policy/--no-policy", help="Print a ScalingPolicy too.")] = False,
) -> None:
    """Print the documents on stdout."""
    from app.errors import UserError
    from app.manifests.workload import documents
    from app.manifests.yamlout import documents as text
    from autoscaler.policy import Policy

    given = {key: value for key, value in context.params.items() if value not in (None, [])}
    if given.pop("agent"):
        return typer.echo(_agents(given | converted(given)), nl=False)
    if "tls_secret" in given:
        raise UserError("--tls-secret is of agents; give --agent")
    file, wanted = given.pop("config", None), given.pop("policy")
    engine, found = _engine(file, given | converted(given))
    said = (found.policy if found else Policy()) if wanted else None
    typer.echo(text(documents(engine, said)), nl=False)


def _agents(given: dict[str, Any]) -> str:
    """Agent pods, which are of a file: it says which pools they hold."""
    from app.errors import UserError
    from app.manifests.agent import documents
    from app.manifests.agentpools import agents_of
    from app.manifests.yamlout import documents as text
    from app.settings import load

    if "config" not in given:
        raise UserError("--agent is given and --config is missing; give the daemon's fleet file")
    config, pool = given.pop("config"), given.pop("pool", None)
    return text(documents(agents_of(load(config), pool, **given)))


def converted(given: Mapping[str, Any]) -> dict[str, Any]:
    """The options that are words on the command line and more than that in an engine."""
    made: dict[str, Any] = {key: volume(given[key]) for key in ("weights", "cache") if key in given}
    if "args" in given:
        made["args"] = tuple(given["args"])
    if "env" in given:
        made["env"] = pairs(given["env"])
    return made


def _engine(config: Path | None, given: dict[str, Any]) -> tuple[Engine, ServiceSettings | None]:
    """From the file where there is one, else from the options alone."""
    from app.errors import UserError
    from app.manifests.pools import engine_of, made
    from app.settings import load

    if config is not None:
        if "pool" not in given:
            raise UserError("--config is given and --pool is missing; give --pool NAME")
        return engine_of(load(config), **given)
    if "name" not in given:
        raise UserError("the name is missing; give leadtime manifest NAME --model MODEL, or --config and --pool")
    return made(**({"service": given["name"]} | given)), None


def volume(text: str) -> Volume:
    """A volume; raises ``UserError`` for what is none."""
    from app.errors import UserError
    from app.manifests.engine import Volume

    try:
        return Volume.read(text)
    except ValueError as error:
        raise UserError(str(error)) from None


def pairs(lines: list[str]) -> dict[str, str]:
    """``KEY=VALUE`` each."""
    from app.errors import UserError

    if wrong := [line for line in lines if not line.partition("=")[0] or "=" not in line]:
        raise UserError(f"--env {wrong[0]}: give KEY=VALUE")
    return dict(line.split("=", 1) for line in lines)
