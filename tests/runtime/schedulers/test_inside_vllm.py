"""The scheduler classes inside vLLM, on its own block tables: beside vLLM's own, and what must always hold."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runtime.local import model
from tests.conftest import vllm_python

pytestmark = pytest.mark.vllm

FCFS = "vllm.v1.core.sched.async_scheduler.AsyncScheduler"
LARRY = "runtime.schedulers.larry.LarryScheduler"
PREDICTED = "runtime.schedulers.predicted.PredictedScheduler"
OURS = (LARRY, PREDICTED)
ROOT = Path(__file__).parents[3]
BLOCKS = 80
PATIENT = {"LEADTIME_SCHEDULER_TTFT_S": "1000"}

Found = dict[str, Any]
Play = Callable[..., Found]


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Play]:
    """Plays a case in one interpreter for all, since starting that takes most of the time."""
    folder = tmp_path_factory.mktemp("model")
    model.write(folder)
    command = [vllm_python(), "-m", "benchmarks.fidelity.driver", str(folder)]
    variables = {**os.environ, "HF_HUB_OFFLINE": "1", "VLLM_LOGGING_LEVEL": "WARNING", "PYTHONPATH": str(ROOT)}
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(
            command, cwd=ROOT, env=variables, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
        ) as driver,
    ):
        assert driver.stdin and driver.stdout
        asking, answers = driver.stdin, driver.stdout

        def one(scheduler: str, requests: list[dict[str, Any]], **rest: Any) -> Found:
            case = {"scheduler": scheduler, "requests": requests, "blocks": BLOCKS, **rest}
            asking.write(json.dumps(case) + "\n")
            asking.flush()
            line = answers.readline()
            assert line, (folder / "log").read_text()
            found: Found = json.loads(line)
            return found

        yield one
        driver.kill()


def mixed(count: int, every_s: float, seed: int = 1) -> list[dict[str, Any]]:
    """Every fifth prompt is long; answers from 5 to 60 tokens; first some that teach lengths."""
    rng = np.random.default_rng(seed)
    at_s = np.concatenate([np.arange(20) * 3.0, 60.0 + np.cumsum(rng.exponential(every_s, count))])
    return [
        {
            "at": float(at),
            "prompt": int(rng.integers(500, 900) if rng.random() < 0.2 else rng.integers(20, 120)),
            "output": int(rng.integers(5, 60)),
        }
        for at in at_s
    ]


def asked(requests: list[dict[str, Any]]) -> dict[str, int]:
    return {f"r{number}": one["output"] for number, one in enumerate(requests)}


def mean_wait_s(found: Found) -> float:
    return float(np.mean(list(found["waited_s"].values())))


@pytest.mark.parametrize("scheduler", OURS)
def test_a_calm_engine_serves_in_vllm_s_own_order(play: Play, scheduler: str) -> None:
    calm = mixed(60, 0.8)
    found = play(scheduler, calm)
    assert found == play(FCFS, calm) and len(found["order"]) == len(calm)


@pytest.mark.parametrize("seed", [1, 2])
def test_larry_in_a_crowd_waits_less_and_preempts_no_more(play: Play, seed: int) -> None:
    crowd = mixed(150, 0.15, seed)
    larry, fcfs = (play(one, crowd, variables=PATIENT) for one in (LARRY, FCFS))
    assert mean_wait_s(larry) < 0.75 * mean_wait_s(fcfs)
    assert larry["preemptions"] <= fcfs["preemptions"]
    assert larry["outputs"] == fcfs["outputs"] == asked(crowd)


def test_predicted_in_a_crowd_waits_less(play: Play) -> None:
    rng = np.random.default_rng(3)
    crowd = mixed(150, 0.25)
    for one in crowd:
        # Here the prompt tells how long the answer is, which is what a prediction by class of prompt can know.
        one["output"] = int(one["prompt"] // 8 + rng.integers(5, 10))
    predicted, fcfs = (play(one, crowd, variables=PATIENT) for one in (PREDICTED, FCFS))
    assert mean_wait_s(predicted) < 0.9 * mean_wait_s(fcfs)


@pytest.mark.parametrize("scheduler", OURS)
def test_nobody_waits_much_past_the_patience_while_first_come_would_not(play: Play, scheduler: str) -> None:
    crowd = mixed(120, 0.3)
    longest_s = max(play(FCFS, crowd)["waited_s"].values())
    patience_s = longest_s + 1.0
    found = play(scheduler, crowd, variables={"LEADTIME_SCHEDULER_TTFT_S": str(patience_s / 2)})
    drain_s = 60 * 0.05  # Whoever runs ends within its 60 tokens and gives its blocks to who is next.
    assert max(found["waited_s"].values()) <= patience_s + drain_s


@pytest.mark.parametrize("scheduler", OURS)
def test_a_request_as_long_as_the_cache_runs(play: Play, scheduler: str) -> None:
    blocks = 40
    whole = [{"at": 0.0, "prompt": 1000, "output": 248}, *({"at": 0.1, "prompt": 64, "output": 9} for _ in range(3))]
    found = play(scheduler, whole, blocks=blocks)
    assert found["outputs"] == asked(whole) and found["free_blocks"] == blocks - 1


@pytest.mark.parametrize("scheduler", OURS)
def test_who_is_aborted_in_the_queue_or_while_it_runs_is_gone(play: Play, scheduler: str) -> None:
    crowd = [{"at": 0.0, "prompt": 900, "output": 40} for _ in range(8)]
    crowd[1]["abort"], crowd[6]["abort"] = 0.5, 0.5
    found = play(scheduler, crowd)
    assert "r6" not in found["order"] and found["outputs"]["r1"] < 40
    assert [found["outputs"][f"r{n}"] for n in (0, 2, 3, 4, 5, 7)] == [40] * 6
    assert found["free_blocks"] == BLOCKS - 1


def test_a_cached_prompt_ranks_by_what_is_not_cached(play: Play) -> None:
    first = {"at": 0.0, "prompt": 640, "output": 4, "shared": 640}
    hold = [{"at": 5.0, "prompt": 600, "output": output} for output in (20, 40, 60, 80, 100)]
    rivals = [{"at": 5.5, "prompt": 620, "output": 9}, {"at": 5.6, "prompt": 680, "output": 9, "shared": 640}]
    variables = PATIENT | {"LEADTIME_SCHEDULER_STEP_MS": "10,0,0,1000"}
    for caching, order in ((True, ["r7", "r6"]), (False, ["r6", "r7"])):
        found = play(LARRY, [first, *hold, *rivals], caching=caching, blocks=120, variables=variables)
        assert found["order"][-2:] == order


@pytest.mark.parametrize("scheduler", OURS)
@pytest.mark.parametrize("seed", range(2))
def test_everybody_ends_and_gives_all_back_however_tight(play: Play, scheduler: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    crowd = [
        {"at": float(rng.random() * 5), "prompt": int(rng.integers(1, 600)), "output": int(rng.integers(1, 300))}
        for _ in range(60)
    ]
    blocks = int(rng.integers(41, 60))
    variables = {"LEADTIME_SCHEDULER_STEP_MS": "10,0.1,1,100", "LEADTIME_SCHEDULER_TRUST_MAX_TOKENS": "0"}
    found = play(scheduler, crowd, blocks=blocks, reset=100, caching=bool(seed % 2), variables=variables)
    assert found["outputs"] == asked(crowd) and found["free_blocks"] == blocks - 1
    assert found["preemptions"] > 0


def test_who_is_held_back_is_deferred_on_the_metrics_page(play: Play) -> None:
    crowd = mixed(60, 0.1)
    assert play(LARRY, crowd)["deferred"] > 0
    assert play(FCFS, crowd)["deferred"] == 0


@pytest.mark.parametrize(
    ("rest", "told"),
    [
        ({"policy": "priority"}, "leave out --scheduling-policy priority"),
        ({"variables": {"LEADTIME_SCHEDULER_TTFT_S": "-1"}}, "LEADTIME_SCHEDULER_TTFT_S='-1' should be"),
        ({"scheduler": "tests.runtime.schedulers.other_version.Scheduler"}, "supports vLLM 0.32.0 and this is 0.31.9"),
    ],
)
def test_a_start_that_cannot_be_right_ends_with_one_line(play: Play, rest: dict[str, Any], told: str) -> None:
    found = play(**{"scheduler": LARRY, "requests": [], **rest})
    assert told in found["error"] and "\n" not in found["error"]
