"""What a warden promises, with a fleet that may be dead."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from runtime.local import warden
from runtime.local.process import Bounds, Process, forget, members
from tests.runtime.local.conftest import until

Begin = Callable[..., Process]
FOREVER = "import time; time.sleep(600)"
DEAF = f"import signal; signal.signal(15, 1); print('deaf', flush=True); {FOREVER}"
PARENT = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {DEAF!r}]); {FOREVER}"


@pytest_asyncio.fixture
async def begin(tmp_path: Path) -> AsyncIterator[Begin]:
    """Start a program under a warden; it ends with the test."""
    begun: list[Process] = []

    def start(program: str, orphan_s: float = 60.0, grace_s: float = 0.5, log_bytes: int = 1000) -> Process:
        bounds = Bounds(orphan_s, grace_s, log_bytes, 3)
        begun.append(Process.start(tmp_path, [sys.executable, "-c", program], os.environ, bounds))
        return begun[-1]

    yield start
    for process in begun:
        process.kill()
        await until(lambda process=process: process.gone)


async def engine_pid(process: Process) -> int:
    return int(await until(process._engine_pid))


async def test_an_engine_that_ends_is_recorded_with_its_code_and_last_words(begin: Begin) -> None:
    process = begin("import sys; print('no memory'); sys.exit(3)")
    await until(lambda: process.gone)
    assert process.ending() == "ended by itself, exit 3 (no memory)"


async def test_of_its_last_words_those_of_an_error_are_told(begin: Begin) -> None:
    process = begin("import sys; print('ValueError: no memory'); print('bye'); sys.exit(3)")
    await until(lambda: process.gone)
    assert process.ending() == "ended by itself, exit 3 (ValueError: no memory)"


async def test_an_order_that_cannot_be_run_is_told(tmp_path: Path) -> None:
    process = Process.start(tmp_path, ["/nowhere/python"], os.environ, Bounds(60.0, 1.0, 1000, 3))
    await until(lambda: process.gone)
    assert "/nowhere/python" in process.ending()


async def test_it_ends_the_engine_when_asked(begin: Begin) -> None:
    process = begin(FOREVER)
    await engine_pid(process)
    process.terminate()
    await until(lambda: process.gone)
    assert process.ending().startswith("asked to stop, exit -15")


async def test_an_engine_that_does_not_heed_is_killed_after_its_grace(begin: Begin, tmp_path: Path) -> None:
    process = begin(DEAF)
    await until(lambda: (tmp_path / "log").exists() and (tmp_path / "log").read_text())
    process.terminate()
    await until(lambda: process.gone)
    assert process.ending().startswith("asked to stop, exit -9")


async def test_nobody_touching_the_lease_ends_the_engine(begin: Begin) -> None:
    process = begin(FOREVER, orphan_s=0.5)
    await until(lambda: process.gone)
    assert "nobody touched the lease" in process.ending()


async def test_a_lease_that_is_touched_keeps_it(begin: Begin) -> None:
    process = begin(FOREVER, orphan_s=1.0)
    for _ in range(15):
        process.touch()
        await asyncio.sleep(0.1)
    assert process.running


@pytest.mark.parametrize("program", [FOREVER, DEAF, PARENT])
async def test_the_engine_and_all_it_started_die_with_a_killed_warden(begin: Begin, program: str) -> None:
    process = begin(program)
    pid = await engine_pid(process)
    await until(lambda: len(members(pid)) == (2 if program is PARENT else 1))
    process._signal(signal.SIGKILL)
    await until(lambda: not members(pid))
    assert "its warden was killed" in process.ending()


async def test_what_a_killed_engine_started_dies_with_it(begin: Begin) -> None:
    process = begin(PARENT)
    pid = await engine_pid(process)
    await until(lambda: len(members(pid)) == 2)
    os.kill(pid, signal.SIGKILL)
    await until(lambda: process.gone)


def test_a_log_is_rotated_and_bounded(tmp_path: Path) -> None:
    log = warden.Log(tmp_path / "log", 10, 3)
    for number in range(9):
        log.write(b"line %d\n" % number)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "log": "line 8\n",
        "log.1": "line 7\n",
        "log.2": "line 6\n",
    }


async def test_another_process_with_the_same_pid_is_not_taken_for_it(begin: Begin) -> None:
    process = begin(FOREVER)
    await engine_pid(process)
    seen = Process(process.folder)
    assert seen.running
    state = (process.folder / "state.json").read_text()
    ticks = str(warden.started_ticks(process._state()["warden"][0]))
    (process.folder / "state.json").write_text(state.replace(ticks, "1"))
    assert not seen.running
    (process.folder / "state.json").write_text(state)


async def test_leftovers_are_killed_only_where_they_surely_are_its_own(begin: Begin) -> None:
    process = begin(FOREVER)
    pid = await engine_pid(process)
    state = process.folder / "state.json"
    said = state.read_text()
    ticks = str(warden.started_ticks(pid))
    state.write_text(said.replace(ticks, "1"))
    process.kill_leftovers()
    assert members(pid)
    state.write_text(said)
    process.kill_leftovers()
    await until(lambda: not members(pid))


def test_old_folders_are_forgotten_the_oldest_first(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in "abc"]
    for age, folder in enumerate(folders):
        folder.mkdir()
        os.utime(folder, (age, age))
    forget(folders, keep=1)
    assert [path.name for path in tmp_path.iterdir()] == ["c"]
