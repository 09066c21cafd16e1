"""The whole of it around real vLLM: one folder, one fleet file, and each part a process of its own.

The step-time law of its pool says what one of three engines can do that share two cores, so that a few requests a
second are load enough for three replicas. Or the engines are held to a law (``paced``), so that they leave each other
the cores.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

from benchmarks.start import free_ports
from runtime.local import model
from runtime.local.model import MAX_TOKENS

SERVICE = "tiny"
ANSWER_WITHIN_S = 60.0
END_WITHIN_S = 30.0
BLOCKS, BLOCK_TOKENS = 512, 32
STEP = {"a_ms": 20.0, "b_ms_per_seq": 4.0, "k_ms_per_1k_kv_tokens": 1.0, "p_ms_per_1k_prefill_tokens": 1600.0}
ARGS = ("--enforce-eager", "--max-model-len", str(MAX_TOKENS), "--block-size", str(BLOCK_TOKENS))
ENV = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "OMP_NUM_THREADS": "1",
    # On one thread nothing is to be bound, so the engine needs no worker process, which would import everything again.
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_LOGGING_LEVEL": "WARNING",
}
PARTS = ("agent", "router", "daemon")
ROOT = Path(__file__).parents[2]
PACED = (
    "--scheduler-cls",
    "benchmarks.real.paced.PacedScheduler",
    "--worker-extension-cls",
    "benchmarks.real.paced.Quiet",
)

# The forecast has seen one burst in its life: were a shortage dear, a spare would be kept for minutes after it.
POLICY: dict[str, Any] = {
    "risk": {"shortage_usd_per_replica_hour": 3.0},
    "mode": "auto",
    "slo": {"ttft_s": 4.0, "tpot_s": 0.1, "attainment": 0.95},
    "replicas": {"min": 1, "max": 3},
    "scale_in": {"window_s": 20, "cooldown_s": 5, "settle_after_restart_s": 10},
    "standby": {"max": 0},
}

PROMETHEUS = """
global: {{scrape_interval: 2s, scrape_timeout: 2s}}
scrape_configs:
  - job_name: engines
    http_sd_configs:
      - url: "{agent}/sd"
        refresh_interval: 2s
        authorization: {{type: Bearer, credentials_file: "{token}"}}
  - job_name: router
    static_configs: [{{targets: ["{router}"], labels: {{leadtime_job: gateway}}}}]
"""


@dataclass(slots=True)
class Stack:
    """Its folder, its ports by part, and the processes that run."""

    folder: Path
    ports: Mapping[str, int]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        """The fleet file."""
        return self.folder / "fleet.yaml"

    @property
    def token(self) -> str:
        """The agent's."""
        return (self.folder / "token").read_text()

    def url(self, part: str) -> str:
        """Where a part answers."""
        return f"http://127.0.0.1:{self.ports[part]}"

    def start(self, part: str) -> None:
        """Start a part of ours, or Prometheus, and wait until it answers."""
        command = [sys.executable, "-m", "app.cli.main", part, "--config", str(self.config)]
        if part == "console":
            command[4:] = ["--api", self.url("daemon"), "--port", str(self.ports[part])]
        if part == "prometheus":
            where = ["--web.listen-address", f"127.0.0.1:{self.ports[part]}"]
            files = ["--config.file", str(self.folder / "prometheus.yml"), "--storage.tsdb.path"]
            command = ["prometheus", *files, str(self.folder / "tsdb"), *where]
        with (self.folder / f"{part}.log").open("ab") as log:
            self.running[part] = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        self.answered(part)

    def answered(self, part: str) -> None:
        """Wait until a part answers; raises RuntimeError with the end of its log where it does not."""
        path = {"prometheus": "/-/ready", "daemon": "/readyz", "console": "/_stcore/health"}.get(part, "/healthz")
        give_up_s = time.monotonic() + ANSWER_WITHIN_S
        while time.monotonic() < give_up_s and self.running[part].poll() is None:
            try:
                if httpx.get(self.url(part) + path, timeout=2.0).status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise RuntimeError(f"{part} does not answer: {(self.folder / f'{part}.log').read_text()[-2000:]}")

    def kill(self, part: str) -> None:
        """``kill -9``, as a machine would."""
        process = self.running.pop(part)
        process.kill()
        process.wait()

    def stop(self) -> None:
        """End what runs, the agent last, which ends its engines."""
        for part in sorted(self.running, key=lambda part: part == "agent"):
            process = self.running[part]
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(END_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.running.clear()

    # --- looking ---------------------------------------------------------------------------------------------------

    def replicas(self) -> list[dict[str, Any]]:
        """As the agent tells them."""
        return list(self._agent("/fleet/replicas"))

    def serving(self) -> int:
        """Replicas in rotation."""
        return sum(row["tier"] == "active" and row["transition"] is None for row in self.replicas())

    def events(self) -> list[dict[str, Any]]:
        """What befell replicas."""
        return list(self._agent("/fleet/events"))

    def api(self, path: str) -> Any:
        """An answer of the daemon's API."""
        return httpx.get(f"{self.url('daemon')}/api/v1{path}", timeout=10.0).raise_for_status().json()

    def _agent(self, path: str) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"}
        return httpx.get(self.url("agent") + path, headers=headers, timeout=10.0).raise_for_status().json()


@dataclass(frozen=True, slots=True)
class Engines:
    """How every replica is started: the most it serves at once, the law it is said to have, and one it is held to."""

    seqs: int = 128
    step: Mapping[str, float] = field(default_factory=lambda: STEP)
    paced: Mapping[str, float] | None = None

    def args(self) -> list[str]:
        """Options of vLLM."""
        return ["--max-num-seqs", str(self.seqs), *(PACED if self.paced else ())]

    def env(self) -> dict[str, str]:
        """Variables of vLLM."""
        return {**ENV, **(paced_by(self.paced) if self.paced else {})}


def paced_by(law_ms: Mapping[str, float]) -> dict[str, str]:
    """Variables of an engine that is held to this law (a, b, k, p)."""
    told = ",".join(str(law_ms[name]) for name in STEP)
    return {"PYTHONPATH": str(ROOT), "LEADTIME_PACED_STEP_MS": told}


def prepared(
    folder: Path,
    python: Path,
    source: str = "prometheus",
    policy: Mapping[str, Any] | None = None,
    engines: Engines | None = None,
) -> Stack:
    """Everything that is needed, in a folder of its own; nothing runs yet."""
    names = (*PARTS, "prometheus", "console")
    stack = Stack(folder, dict(zip(names, free_ports(len(names)), strict=True)))
    (folder / "model").mkdir()
    model.write(folder / "model")
    (folder / "token").write_text(secrets.token_urlsafe(24))
    content = fleet_file(stack, python, source, policy or {}, engines or Engines())
    stack.config.write_text(yaml.safe_dump(content, sort_keys=False))
    addresses = {"agent": stack.url("agent"), "router": f"127.0.0.1:{stack.ports['router']}"}
    (folder / "prometheus.yml").write_text(PROMETHEUS.format(token=folder / "token", **addresses))
    return stack


def fleet_file(stack: Stack, python: Path, source: str, policy: Mapping[str, Any], engines: Engines) -> dict[str, Any]:
    """The fleet file: one service of at most three replicas."""
    first = secrets.choice(range(20_000, 32_000, 50))  # below those that the system hands out
    pool = {
        "name": "cpu",
        "gpu": "CPU",
        "price_usd_per_gpu_hour": 1.0,
        "step": dict(engines.step),
        "kv_blocks": BLOCKS,
        "block_tokens": BLOCK_TOKENS,
        "max_num_seqs": engines.seqs,
        "max_model_tokens": MAX_TOKENS,
        "lead_times": {"standby": {"p50_s": 0.2, "p90_s": 1.0}, "cold": {"p50_s": 40.0, "p90_s": 80.0}},
        "launch": {
            "model": str(stack.folder / "model"),
            "load_format": "dummy",
            "args": [*ARGS, "--num-gpu-blocks-override", str(BLOCKS), *engines.args()],
            "env": engines.env(),
        },
    }
    local = {
        "python": str(python),
        "slots": [{"cores": ["any"]}] * 3,
        "home": str(stack.folder / "engines"),
        "ports": [first, first + 40],
    }
    asked = {"kind": source, "interval_s": 3.0, "gateway_url": f"{stack.url('router')}/metrics"}
    return {
        "api": {"port": stack.ports["daemon"]},
        "console": {"port": stack.ports["console"]},
        "store": {"url": f"sqlite:///{stack.folder / 'leadtime.db'}"},
        "source": asked | ({"url": stack.url("prometheus")} if source == "prometheus" else {}),
        "fleet": {
            "kind": "local",
            "url": stack.url("agent"),
            "token_file": str(stack.folder / "token"),
            "local": local,
        },
        "router": {"port": stack.ports["router"], "wake_url": stack.url("daemon") + "/api/v1/services/{service}/wake"},
        "services": [{"name": SERVICE, "policy": {**POLICY, **policy}, "pools": [pool]}],
    }


@contextmanager
def running(stack: Stack, parts: Sequence[str] = ("agent", "router", "prometheus", "daemon")) -> Iterator[Stack]:
    """The stack with these parts running; they are ended on the way out."""
    try:
        for part in parts:
            stack.start(part)
        yield stack
    finally:
        stack.stop()


def until(true: Any, within_s: float, what: str) -> float:
    """Wait until it is true; gives the seconds it took. Raises TimeoutError, naming what did not come."""
    began_s = time.monotonic()
    while time.monotonic() - began_s < within_s:
        if true():
            return time.monotonic() - began_s
        time.sleep(0.25)
    raise TimeoutError(f"not within {within_s:.0f} s: {what}")


def vllm_python() -> Path:
    """The interpreter that has vLLM: that of the environment, or that of ``make vllm``."""
    return Path(os.environ.get("LEADTIME_VLLM_PYTHON", ".venv-vllm/bin/python")).absolute()
