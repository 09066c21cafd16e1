"""The command line and environment of an engine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from runtime.local import command
from runtime.local.spec import EngineSpec, Kind, Sleep, Slot

ENGINE = EngineSpec("tiny", "p", "/model", python="/venv/bin/python", args=("--max-model-len", "99"))
GPUS = Slot("g", ("2", "3"))
CORES = Slot("c", ("0", "1"), Kind.CPU)


def env(engine: EngineSpec, slot: Slot, **base: str) -> dict[str, str]:
    return command.environment(engine, slot, Path("/cache"), base)


def test_a_server_listens_on_loopback_under_its_service_name_and_own_arguments_come_last() -> None:
    words = command.argv(ENGINE, 8910)
    assert words[:3] == ["/venv/bin/python", "-m", "vllm.entrypoints.openai.api_server"]
    assert words[words.index("--host") + 1] == "127.0.0.1" and words[words.index("--port") + 1] == "8910"
    assert words[words.index("--served-model-name") + 1] == "tiny"
    assert words[-2:] == ["--max-model-len", "99"]


def test_what_is_not_asked_for_is_not_said() -> None:
    said = " ".join(command.argv(ENGINE, 1))
    assert not any(word in said for word in ("--load-format", "--tensor-parallel-size", "--enable-sleep-mode"))
    assert "VLLM_SERVER_DEV_MODE" not in env(ENGINE, GPUS, VLLM_SERVER_DEV_MODE="1")


def test_what_is_asked_for_is() -> None:
    engine = replace(ENGINE, load_format="runai_streamer", gpus_per_replica=2, sleep=Sleep.LEVEL1)
    words = command.argv(engine, 1)
    assert words[words.index("--load-format") + 1] == "runai_streamer"
    assert words[words.index("--tensor-parallel-size") + 1] == "2"
    assert "--enable-sleep-mode" in words


@pytest.mark.parametrize("sleep", [Sleep.PAUSE, Sleep.LEVEL1, Sleep.LEVEL2])
def test_control_endpoints_are_there_only_for_those_that_sleep(sleep: Sleep) -> None:
    engine = replace(ENGINE, sleep=sleep)
    assert env(engine, GPUS)["VLLM_SERVER_DEV_MODE"] == "1"
    assert ("--enable-sleep-mode" in command.argv(engine, 1)) is (sleep is not Sleep.PAUSE)


def test_a_slot_is_the_only_devices_that_an_engine_sees() -> None:
    assert env(ENGINE, GPUS)["CUDA_VISIBLE_DEVICES"] == "2,3"
    assert env(ENGINE, CORES)["VLLM_CPU_OMP_THREADS_BIND"] == "0,1"
    assert "CUDA_VISIBLE_DEVICES" not in env(ENGINE, CORES)


def test_local_weights_need_no_hub_and_names_do() -> None:
    assert env(ENGINE, GPUS)["HF_HUB_OFFLINE"] == "1"
    assert "HF_HUB_OFFLINE" not in env(replace(ENGINE, model="org/name"), GPUS)


def test_our_secrets_stay_here_and_the_engines_own_variables_win() -> None:
    engine = replace(ENGINE, env={"VLLM_CACHE_ROOT": "/other"})
    found = env(engine, GPUS, LEADTIME_TOKEN="secret", VLLM_API_KEY="key", PATH="/bin")
    assert "secret" not in found.values() and "key" not in found.values()
    assert found["PATH"] == "/bin" and found["VLLM_CACHE_ROOT"] == "/other"
    assert env(ENGINE, GPUS)["VLLM_CACHE_ROOT"] == "/cache"


@pytest.mark.parametrize(
    "other",
    [
        replace(ENGINE, model="/other"),
        replace(ENGINE, args=()),
        replace(ENGINE, env={"A": "1"}),
        replace(ENGINE, sleep=Sleep.PAUSE),
        replace(ENGINE, python="/other/python"),
    ],
)
def test_whatever_changes_the_engine_changes_its_fingerprint(other: EngineSpec) -> None:
    assert command.fingerprint(ENGINE, GPUS) == command.fingerprint(replace(ENGINE), replace(GPUS))
    assert command.fingerprint(other, GPUS) != command.fingerprint(ENGINE, GPUS)
    assert command.fingerprint(ENGINE, GPUS) != command.fingerprint(ENGINE, CORES)
