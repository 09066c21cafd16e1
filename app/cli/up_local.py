"""What ``leadtime up --fleet local`` runs on this machine: vLLM where it is installed, on its GPUs or on its cores.

From a model and a number of replicas to the same settings that a fleet file would hold. The step-time law is the
catalogue's where the model and the GPU are known there; on a CPU it is that of the tiny model of docs/fidelity.md,
which the daemon corrects by what the engines report.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from app.errors import UserError

PYTHON_VARIABLE = "LEADTIME_VLLM_PYTHON"
INSTALLED = Path(".venv-vllm/bin/python")
ORPHAN_S = 15.0
"""Nobody comes back to adopt the engines of a command that was killed."""

BARE = ("L4", "L40S", "A10G", "GB200")
"""GPUs of one form only."""

WEIGHTS = ("*.safetensors", "*.bin", "*.pt")
BLOCK_TOKENS, BLOCKS, CONTEXT_TOKENS = 32, 512, 1280
CPU_STEP = {"a_ms": 10.64, "b_ms_per_seq": 0.051, "k_ms_per_1k_kv_tokens": 0.76, "p_ms_per_1k_prefill_tokens": 111.5}
"""Measured on two cores with the tiny model, docs/fidelity.md."""

CPU_ARGS = ("--enforce-eager", "--max-model-len", str(CONTEXT_TOKENS), "--block-size", str(BLOCK_TOKENS))
CPU_ENV = {"VLLM_CPU_KVCACHE_SPACE": "1", "OMP_NUM_THREADS": "1"}
"""Several engines share the cores; threads of one that wait for each other would keep the others from them."""

CPU_LEAD_TIMES = {"standby": {"p50_s": 0.2, "p90_s": 1.0}, "cold": {"p50_s": 30.0, "p90_s": 60.0}}
GPU_LEAD_TIMES = {"standby": {"p50_s": 0.2, "p90_s": 1.0}, "cold": {"p50_s": 60.0, "p90_s": 120.0}}
"""Until they are measured, which the first starts do."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What replicas may run on: GPUs with their type and memory, or else cores that all replicas share."""

    gpus: tuple[str, ...] = ()
    gpu: str = "CPU"


def local_settings(home: Path, model: str | None, most: int, python: Path | None, price: float) -> dict[str, Any]:
    """A fleet file's content. Without a model a tiny one with random weights is written into ``home`` first."""
    chosen = interpreter(python)
    machine = this_machine()
    if machine.gpus and most > len(machine.gpus):
        raise UserError(f"--max-replicas {most}: this machine has {len(machine.gpus)} GPUs; give at most as many")
    folder = model or str(tiny(home / "tiny-model"))
    service = Path(folder).name if Path(folder).is_dir() else folder.rpartition("/")[2]
    launch = {"model": folder, "load_format": load_format(folder)}
    pool = gpu_pool(folder, machine, launch) if machine.gpus else cpu_pool(launch)
    pool |= {"name": machine.gpu.lower(), "price_usd_per_gpu_hour": price}
    policy = {"mode": "auto", "replicas": {"min": 1, "max": most}}
    slots = [{"gpus": [gpu]} for gpu in machine.gpus[:most]] or [{"cores": ["any"]}] * most
    return {
        "services": [{"name": service, "policy": policy, "pools": [pool]}],
        "fleet": {
            "kind": "local",
            "token_file": str(new_token(home)),
            "local": {"python": str(chosen), "slots": slots, "home": str(home / "engines"), "orphan_s": ORPHAN_S},
        },
        "source": {"interval_s": 5.0},
    }


def interpreter(given: Path | None) -> Path:
    """The interpreter that has vLLM: the given one, the environment's, the one that ``make vllm`` made, our own."""
    named = given or (Path(os.environ[PYTHON_VARIABLE]) if PYTHON_VARIABLE in os.environ else None)
    if named is not None:
        if not os.access(named, os.X_OK):
            raise UserError(f"--python {named}: no such interpreter; give the one that has vLLM")
        return named.absolute()
    if INSTALLED.exists():
        return INSTALLED.absolute()
    if find_spec("vllm") is not None:
        return Path(sys.executable)
    raise UserError("no vLLM found; run make vllm, or give --python VENV/bin/python of an environment that has it")


def this_machine() -> Machine:
    """GPUs as nvidia-smi names them; none where there is no such command."""
    if shutil.which("nvidia-smi") is None:
        return Machine()
    asked = ["nvidia-smi", "--query-gpu=index,name", "--format=csv,noheader"]
    told = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=30)
    if told.returncode != 0:
        raise UserError(f"nvidia-smi: {told.stdout.strip() or told.stderr.strip()}; mend the driver, or give --config")
    rows = [line.partition(", ") for line in told.stdout.splitlines() if line.strip()]
    kinds = {name for _, _, name in rows}
    if len(kinds) > 1:
        raise UserError(f"this machine has unlike GPUs ({', '.join(sorted(kinds))}); give a fleet file with --config")
    return Machine(tuple(index for index, _, _ in rows), product(kinds.pop())) if rows else Machine()


def product(name: str) -> str:
    """The catalogue's name of a GPU: ``NVIDIA H100 80GB HBM3`` is an ``H100-SXM``."""
    words = name.removeprefix("NVIDIA ").replace("-", " ").split()
    if not words or words[0] in BARE:
        return words[0] if words else name
    return f"{words[0]}-PCIE" if "PCIe" in words else f"{words[0]}-SXM"


def cpu_pool(launch: dict[str, Any]) -> dict[str, Any]:
    """A pool of engines that share this machine's cores."""
    args = [*CPU_ARGS, "--num-gpu-blocks-override", str(BLOCKS)]
    return {
        "gpu": "CPU",
        "step": CPU_STEP,
        "kv_blocks": BLOCKS,
        "block_tokens": BLOCK_TOKENS,
        "max_num_seqs": 128,
        "max_model_tokens": CONTEXT_TOKENS,
        "lead_times": CPU_LEAD_TIMES,
        "launch": launch | {"args": args, "env": CPU_ENV},
    }


def gpu_pool(model: str, machine: Machine, launch: dict[str, Any]) -> dict[str, Any]:
    """A pool of engines with one GPU each, its law from the catalogue."""
    from runtime import catalog

    precision = "fp8" if "fp8" in model.lower() else "bf16"
    try:
        known = catalog.transfer(model, precision, machine.gpu).pool("local", 0.0, {})
    except catalog.CatalogError as error:
        raise UserError(f"--model {error}; or give a fleet file with --config") from None
    law = known.step
    return {
        "gpu": machine.gpu,
        "step": {
            "a_ms": law.a_ms,
            "b_ms_per_seq": law.b_ms_per_seq,
            "k_ms_per_1k_kv_tokens": law.k_ms_per_1k_kv_tokens,
            "p_ms_per_1k_prefill_tokens": law.p_ms_per_1k_prefill_tokens,
        },
        "kv_blocks": known.kv_blocks,
        "block_tokens": known.block_tokens,
        "lead_times": GPU_LEAD_TIMES,
        "launch": launch,
    }


def load_format(model: str) -> str:
    """A folder without weights is served with random ones."""
    folder = Path(model)
    return "dummy" if folder.is_dir() and not any(next(folder.glob(w), None) for w in WEIGHTS) else "auto"


def tiny(folder: Path) -> Path:
    """A small model with random weights, for trying things out."""
    from runtime.local import model

    folder.mkdir(parents=True, exist_ok=True)
    model.write(folder)
    return folder


def new_token(home: Path) -> Path:
    """A fresh secret that only this user can read."""
    file = home / "agent-token"
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        out.write(secrets.token_urlsafe(32))
    return file
