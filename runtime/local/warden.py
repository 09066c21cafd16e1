"""Guards one engine, in a process of its own: ``python -I warden.py FOLDER``, with the standard library alone.

``FOLDER/order.json`` says what to run and the bounds, ``FOLDER/lease`` is touched by the fleet, ``FOLDER/state.json``
says which processes these are and how the engine ended, ``FOLDER/log`` is what it wrote, rotated by size. Promises:

- the engine lives on when the fleet dies, and ends when nobody has touched the lease for ``orphan_s``;
- it ends (SIGTERM, and after ``grace_s`` SIGKILL to its whole session) when the warden gets a SIGTERM;
- it dies with the warden, whatever kills that: the kernel ends the engine, and a guard process that sees the
  warden's pipe close ends everything the engine started.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1
LOOK_S = 0.2
CHUNK_BYTES = 65536


def stat(pid: int) -> list[str]:
    """The fields of proc(5) stat from the third, state, on; empty where there is no such process, or its zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    fields = text[text.rindex(")") + 2 :].split()  # the second is its name, in brackets, which may hold anything
    return [] if fields[0] in "ZX" else fields


def started_ticks(pid: int) -> int | None:
    """When a process was started, clock ticks since boot; None where there is none.

    With the pid it names a process for good: pids are used again, these pairs are not.
    """
    fields = stat(pid)
    return int(fields[19]) if fields else None


class Log:
    """A file that is moved aside when it is full: ``log``, ``log.1``, …, so many in all."""

    def __init__(self, path: Path, limit_bytes: int, count: int) -> None:
        self._path, self._limit, self._count = path, limit_bytes, count
        self._file = path.open("ab", buffering=0)

    def write(self, data: bytes) -> None:
        """Append. What a full disk does not take is dropped: an engine must not stop for its log."""
        with contextlib.suppress(OSError):
            if self._file.tell() + len(data) > self._limit:
                self._rotate()
            self._file.write(data)

    def _rotate(self) -> None:
        for number in range(self._count - 1, 0, -1):
            older = self._path.with_name(f"{self._path.name}.{number}")
            newer = self._path.with_name(f"{self._path.name}.{number - 1}") if number > 1 else self._path
            if newer.exists():
                newer.replace(older)
        self._file.close()
        self._file = self._path.open("wb", buffering=0)


class Lease:
    """How long nobody has touched a file, by this process's own clock: setting the time of day ends no engine."""

    def __init__(self, path: Path) -> None:
        self._path, self._seen, self._since_s = path, self._touched(path), time.monotonic()

    def idle_s(self) -> float:
        """Seconds since it was seen to change."""
        if (touched := self._touched(self._path)) != self._seen:
            self._seen, self._since_s = touched, time.monotonic()
        return time.monotonic() - self._since_s

    @staticmethod
    def _touched(path: Path) -> int | None:
        try:
            return path.stat().st_mtime_ns
        except FileNotFoundError:
            return None


class Warden:
    """One engine, from its start to its end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._order: dict[str, Any] = json.loads((folder / "order.json").read_text())
        self._log = Log(folder / "log", self._order["log_bytes"], self._order["log_count"])
        self._lease = Lease(folder / "lease")
        self._why = ""
        self._kill_at_s = float("inf")

    def run(self) -> int:
        """Start the engine, wait for its end, and say how it ended."""
        parent = os.getpid()
        self._engine = subprocess.Popen(
            self._order["argv"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: _die_with(parent),
        )
        release = _guard(self._engine)
        for number in (signal.SIGTERM, signal.SIGINT):  # before this line such a signal ends us, and the engine with us
            signal.signal(number, lambda *_: self._end("asked to stop"))
        self._tell(None)
        self._follow()
        self._tell(self._engine.wait())
        os.write(release, b".")
        return 0

    def _follow(self) -> None:
        """Pass its output on until it has ended; what it started and left behind does not hold us."""
        assert self._engine.stdout is not None
        out = self._engine.stdout.fileno()
        os.set_blocking(out, False)
        with selectors.DefaultSelector() as selector:
            selector.register(out, selectors.EVENT_READ)
            while self._engine.poll() is None:
                if selector.select(LOOK_S) and not self._pass_on(out):
                    selector.unregister(out)  # it closed its output: nothing to read, but it may live on
                    while self._engine.poll() is None and not self._check():
                        time.sleep(LOOK_S)
                    break
                self._check()
        self._kill()
        while self._pass_on(out):
            pass

    def _pass_on(self, out: int) -> bool:
        try:
            data = os.read(out, CHUNK_BYTES)
        except BlockingIOError:
            return False
        self._log.write(data)
        return bool(data)

    def _check(self) -> bool:
        """Whether its time is over: nobody holds the lease, or it was asked to end and did not."""
        if self._lease.idle_s() > self._order["orphan_s"]:
            self._end("nobody touched the lease")
        if time.monotonic() < self._kill_at_s:
            return False
        self._kill()
        return True

    def _end(self, why: str) -> None:
        if not self._why:
            self._why, self._kill_at_s = why, time.monotonic() + self._order["grace_s"]
            self._engine.terminate()

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._engine.pid, signal.SIGKILL)

    def _tell(self, code: int | None) -> None:
        """Write the state whole or not at all."""
        state = {
            "warden": [os.getpid(), started_ticks(os.getpid())],
            "engine": [self._engine.pid, started_ticks(self._engine.pid)],
            "exit": code,
            "why": self._why or ("" if code is None else "ended by itself"),
        }
        draft = self._folder / "state.draft"
        draft.write_text(json.dumps(state))
        draft.replace(self._folder / "state.json")


def _die_with(parent: int) -> None:
    """In the engine, before it runs: have the kernel end it with its parent, which may be gone already."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _guard(engine: subprocess.Popen[bytes]) -> int:
    """Fork a process that ends the engine's session when our end of a pipe closes unsaid; a byte there releases it."""
    reading, writing = os.pipe()
    if os.fork():
        os.close(reading)
        return writing
    os.close(writing)
    os.setsid()
    assert engine.stdout is not None
    engine.stdout.close()
    if not os.read(reading, 1):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(engine.pid, signal.SIGKILL)
    os._exit(0)


if __name__ == "__main__":
    sys.exit(Warden(Path(sys.argv[1])).run())
