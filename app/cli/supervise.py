"""Child processes that live and die with this one.

Promise: when the supervisor ends, by return, by error, by a signal or by ``kill -9``, no child is left. Linux
sends each child SIGKILL when its parent dies; on other systems the ordered stop still holds, the last case
does not. A child runs in a session of its own, so that Ctrl-C reaches the supervisor alone and the stop is in
order.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from app.errors import UserError

PR_SET_PDEATHSIG = 1
STOP_WITHIN_S = 4.0


@dataclass(slots=True)
class Child:
    """One process and the file its output goes to."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def last_line(self) -> str:
        """The last thing it said, for an error of ours."""
        lines = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        return lines[-1].strip() if lines else "it said nothing"


@dataclass(slots=True)
class Supervisor:
    """Starts children and stops them in the reverse order."""

    logs: Path
    children: list[Child] = field(default_factory=list)

    def start(self, name: str, command: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        """Start one child; its output goes to ``logs/NAME.log``."""
        log = self.logs / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                start_new_session=True,
                preexec_fn=dying_with(os.getpid()),
            )
        self.children.append(Child(name, process, log))

    def check(self) -> None:
        """Raise ``UserError`` with the last words of a child that has ended, which none should."""
        for child in self.children:
            code = child.process.poll()
            if code is not None:
                said = child.last_line().removeprefix("error: ")
                raise UserError(said if code == 2 else f"{child.name} ended with code {code}: {said}")

    def stop(self) -> None:
        """End all children: ask, wait, insist."""
        for child in reversed(self.children):
            signal_group(child, signal.SIGTERM)
        deadline = time.monotonic() + STOP_WITHIN_S
        for child in reversed(self.children):
            with suppress(subprocess.TimeoutExpired):
                child.process.wait(max(0.0, deadline - time.monotonic()))
            # Also where the child itself has gone: whatever it started is in its group.
            signal_group(child, signal.SIGKILL)
            child.process.wait()


def signal_group(child: Child, number: signal.Signals) -> None:
    """Send a signal to a child and all it started; one that has gone needs none."""
    with suppress(ProcessLookupError):
        os.killpg(child.process.pid, number)


def dying_with(parent: int) -> Callable[[], None] | None:
    """What the child runs before its program: ask Linux for SIGKILL when the parent dies."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def ask() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before we could ask
            os._exit(1)

    return ask


@contextmanager
def supervised(logs: Path) -> Iterator[Supervisor]:
    """A supervisor that stops its children on the way out, also on SIGTERM and SIGHUP."""
    supervisor = Supervisor(logs)
    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    before[signal.SIGINT] = signal.getsignal(signal.SIGINT)
    try:
        yield supervisor
    finally:
        # A second signal must not cut the stop short and leave a process behind.
        for number in before:
            signal.signal(number, signal.SIG_IGN)
        supervisor.stop()
        for number, handler in before.items():
            signal.signal(number, handler)


def interrupt(number: int, frame: FrameType | None) -> None:
    """Treat a polite signal as Ctrl-C."""
    raise KeyboardInterrupt
