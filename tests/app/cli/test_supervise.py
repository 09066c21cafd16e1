"""No child outlives its supervisor, whatever ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.cli.supervise import supervised
from app.errors import UserError

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
STUBBORN = [sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)"]

# A shell starts what it puts into the background with Ctrl-C ignored, tests too.
PARENT = """
import signal, sys, time
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)
from app.cli.supervise import supervised
with supervised(Path(sys.argv[1])) as supervisor:
    supervisor.start("child", [sys.executable, "-c", "import time; time.sleep(60)"])
    print(supervisor.children[0].process.pid, flush=True)
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        pass
"""


def alive(pid: int) -> bool:
    """Whether a process runs; one that has died and waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pid: int) -> bool:
    """Whether it ends within some seconds."""
    deadline = time.monotonic() + 10
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not alive(pid)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_signal_to_the_parent_ends_the_child(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert alive(child)
        os.kill(parent.pid, number)
        assert gone(child)


def test_children_end_with_the_block(tmp_path: Path) -> None:
    with supervised(tmp_path) as supervisor:
        supervisor.start("one", SLEEP)
        supervisor.start("two", SLEEP)
        pids = [child.process.pid for child in supervisor.children]
    assert not any(map(alive, pids))


def test_a_child_that_will_not_stop_is_made_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.cli.supervise.STOP_WITHIN_S", 0.2)
    with supervised(tmp_path) as supervisor:
        supervisor.start("stubborn", STUBBORN)
        time.sleep(0.3)  # until it ignores the signal
    assert not alive(supervisor.children[0].process.pid)


@pytest.mark.parametrize(
    ("code", "said"), [(2, "fleet.yaml:3: wrong"), (1, "part ended with code 1: error: fleet.yaml:3: wrong")]
)
def test_a_child_that_ends_has_its_last_words_told(tmp_path: Path, code: int, said: str) -> None:
    words = f"import sys; print('noise'); print('error: fleet.yaml:3: wrong', file=sys.stderr); sys.exit({code})"
    with supervised(tmp_path) as supervisor:
        supervisor.start("part", [sys.executable, "-c", words])
        supervisor.children[0].process.wait()
        with pytest.raises(UserError) as error:
            supervisor.check()
    assert str(error.value) == (said if code == 2 else said.replace("error: ", ""))
