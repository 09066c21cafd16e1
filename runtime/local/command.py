"""The command line and environment of one vLLM server, pure.

What shortens a start is here: one compile cache for all replicas of a home, no look at a hub for local weights, the
load format that was asked for. The server listens on loopback alone, and its unauthenticated control endpoints exist
only where sleep or pause needs them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from runtime.local.spec import EngineSpec, Kind, Sleep, Slot

HOST = "127.0.0.1"


def argv(engine: EngineSpec, port: int) -> list[str]:
    """What is run."""
    words = [engine.python, *engine.entry, "--model", engine.model, "--served-model-name", engine.service]
    words += ["--host", HOST, "--port", str(port)]
    # We ask for these twice a second; the log is for what users and the engine do.
    words += ["--disable-access-log-for-endpoints", "/metrics,/health"]
    if engine.load_format != "auto":
        words += ["--load-format", engine.load_format]
    if engine.gpus_per_replica > 1:
        words += ["--tensor-parallel-size", str(engine.gpus_per_replica)]
    if engine.sleep in (Sleep.LEVEL1, Sleep.LEVEL2):
        words.append("--enable-sleep-mode")
    return [*words, *engine.args]


def environment(engine: EngineSpec, slot: Slot, cache: Path, base: Mapping[str, str]) -> dict[str, str]:
    """``base`` without our own secrets, what the slot and the engine's sleep ask for, and the engine's own last."""
    kept = {name: value for name, value in base.items() if not name.startswith(("LEADTIME_", "VLLM_API_KEY"))}
    kept.pop("VLLM_SERVER_DEV_MODE", None)
    return {**kept, **_ours(engine, slot), "VLLM_CACHE_ROOT": str(cache), **engine.env}


def fingerprint(engine: EngineSpec, slot: Slot) -> str:
    """Names what a replica was started with, its port apart; another one must not take its place unnoticed."""
    words = [argv(engine, 0), sorted({**_ours(engine, slot), **engine.env}.items()), engine.sleep]
    return hashlib.sha256(json.dumps(words).encode()).hexdigest()[:16]


def _ours(engine: EngineSpec, slot: Slot) -> dict[str, str]:
    # Safe path: what lies in the folder that we run in is not to be imported by the engine.
    variables = {"VLLM_NO_USAGE_STATS": "1", "VLLM_DO_NOT_TRACK": "1", "PYTHONSAFEPATH": "1"}
    devices = ",".join(slot.devices)
    if slot.kind is Kind.GPU:
        # By bus, as nvidia-smi counts them; CUDA alone would put the fastest first.
        variables |= {"CUDA_VISIBLE_DEVICES": devices, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    else:
        variables["VLLM_CPU_OMP_THREADS_BIND"] = devices
    if engine.sleep is not Sleep.NONE:
        variables["VLLM_SERVER_DEV_MODE"] = "1"
    if engine.model.startswith(("/", ".", "~")):
        variables["HF_HUB_OFFLINE"] = "1"
    return variables
