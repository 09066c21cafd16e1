"""A real Prometheus over a made-up history of vLLM: one scrape every 15 s of replicas whose every request is known."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from collectors.prometheus import SourceUnavailable, range_query

FROM_S = 1_767_571_200.0
SCRAPE_S = 15
BOUNDS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, float("inf"))
SERVICE_S = 20.0


@dataclass(frozen=True)
class Requests:
    """What one replica was asked, all of it known: arrays (n,)."""

    arrival_s: npt.NDArray[np.float64]
    inputs: npt.NDArray[np.int64]
    outputs: npt.NDArray[np.int64]


def made(minutes: int, per_minute: tuple[int, ...], seed: int) -> Requests:
    """So many requests in each minute, in turn, of lengths that grow by half over the whole."""
    rng = np.random.default_rng(seed)
    counts = np.resize(per_minute, minutes)
    minute = np.repeat(np.arange(minutes), counts)
    growing = 1 + 0.5 * minute / minutes
    lengths = [(rng.lognormal(np.log(mean), 0.5, len(minute)) * growing).astype(int) + 1 for mean in (600, 150)]
    return Requests(np.sort(60.0 * (minute + rng.random(len(minute)))), *lengths)


def scrapes(replicas: dict[str, Requests], model: str, minutes: int, hole: tuple[float, float]) -> str:
    """OpenMetrics text of everything but what would have been scraped in the hole (seconds from the start)."""
    at_s = [t for t in range(0, 60 * minutes + 1, SCRAPE_S) if not hole[0] <= t < hole[1]]
    families: dict[str, list[str]] = {}
    for name, requests in replicas.items():
        labels = f'instance="{name}",engine="0",model_name="{model}"'
        for t in at_s:
            _page(families, requests, labels, float(t))
    lines = []
    for family, samples in families.items():
        lines += [f"# TYPE {family.split()[0]} {family.split()[1]}", *samples]
    return "\n".join([*lines, "# EOF", ""])


def _page(families: dict[str, list[str]], requests: Requests, labels: str, t: float) -> None:
    came, done = requests.arrival_s <= t, requests.arrival_s + SERVICE_S <= t

    def told(family: str, kind: str, suffix: str, value: float, more: str = "") -> None:
        line = f"{family}{suffix}{{{labels}{more}}} {value} {FROM_S + t}"
        families.setdefault(f"{family} {kind}", []).append(line)

    told("vllm:num_requests_running", "gauge", "", int(came.sum() - done.sum()))
    told("vllm:num_requests_waiting", "gauge", "", 0)
    for share, reason in ((0.75, "stop"), (0.25, "length")):
        # A first value above zero: replicas served before the history began.
        told("vllm:request_success", "counter", "_total", share * done.sum() + 75, f',finished_reason="{reason}"')
    for kind, sizes in (("prompt", requests.inputs), ("generation", requests.outputs)):
        told(f"vllm:{kind}_tokens", "counter", "_total", int(sizes[done].sum()))
        family = f"vllm:request_{kind}_tokens"
        for bound in BOUNDS:
            le = "+Inf" if np.isinf(bound) else f"{bound:.1f}"
            told(family, "histogram", "_bucket", int((sizes[done] <= bound).sum()), f',le="{le}"')
        told(family, "histogram", "_sum", int(sizes[done].sum()))
        told(family, "histogram", "_count", int(done.sum()))


@contextmanager
def remembering(folder: Path, text: str) -> Iterator[str]:
    """The address of a Prometheus that holds this history, until the block ends."""
    binary, tool = shutil.which("prometheus"), shutil.which("promtool")
    assert binary and tool
    (folder / "history.om").write_text(text)
    (folder / "prometheus.yml").write_text("{}")
    create = [tool, "tsdb", "create-blocks-from", "openmetrics", str(folder / "history.om"), str(folder / "data")]
    subprocess.run(create, check=True, capture_output=True, timeout=60)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{listening.getsockname()[1]}"
    paths = (f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data")
    forever = "--storage.tsdb.retention.time=100y"
    quiet = subprocess.DEVNULL
    process = subprocess.Popen([binary, *paths, forever, f"--web.listen-address={address}"], stdout=quiet, stderr=quiet)
    try:
        _wait(f"http://{address}")
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait(url: str) -> None:
    for _ in range(150):
        try:
            range_query(url, "vector(1)", 0.0, 60.0, 60.0)
            return
        except SourceUnavailable:
            time.sleep(0.2)
    raise AssertionError(f"{url} does not answer")
