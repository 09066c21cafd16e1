"""One replica's processes as the fleet sees them: a folder, a warden, and the engine that it guards.

Everything needed to find them again is in the folder, so a fleet that was killed and comes back knows its replicas.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.local import warden

STATE, ORDER, LEASE = "state.json", "order.json", "lease"


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the warden keeps to; seconds and bytes."""

    orphan_s: float
    grace_s: float
    log_bytes: int
    log_count: int


class Process:
    """The processes of one folder, started by us or by a fleet before us."""

    def __init__(self, folder: Path, started: subprocess.Popen[bytes] | None = None) -> None:
        self.folder = folder
        self._started = started

    @classmethod
    def start(cls, folder: Path, argv: Sequence[str], env: Mapping[str, str], bounds: Bounds) -> Process:
        """Start a warden and let it start the engine; raises OSError where no process can be started."""
        order = {
            "argv": list(argv),
            "orphan_s": bounds.orphan_s,
            "grace_s": bounds.grace_s,
            "log_bytes": bounds.log_bytes,
            "log_count": bounds.log_count,
        }
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ORDER).write_text(json.dumps(order))
        (folder / STATE).unlink(missing_ok=True)
        (folder / LEASE).touch()
        with (folder / "warden.log").open("ab") as said:
            started = subprocess.Popen(
                [sys.executable, "-I", warden.__file__, str(folder)],
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        _announce(folder, started.pid)
        return cls(folder, started)

    def touch(self) -> None:
        """Say that somebody still wants it; where its folder was removed nobody can, and its warden will end it."""
        with contextlib.suppress(FileNotFoundError):
            (self.folder / LEASE).touch()

    @property
    def running(self) -> bool:
        """Whether its warden lives, and with it the engine."""
        if self._started is not None:
            return self._started.poll() is None
        pid, ticks = self._state()["warden"]
        return ticks is not None and warden.started_ticks(pid) == ticks

    @property
    def gone(self) -> bool:
        """Whether nothing is left of it, so that its devices and port are free."""
        return not self.running and not members(self._engine_pid())

    def listens(self, port: int) -> bool:
        """Whether it is one of ours that listens there: between choosing a port and using it another may have come."""
        sockets = {f"socket:[{inode}]" for inode in _listening(port)}
        return any(not sockets.isdisjoint(_open_files(pid)) for pid in members(self._engine_pid()))

    def ending(self) -> str:
        """How it ended, in words."""
        state = self._state()
        if state["exit"] is None:
            return f"its warden was killed ({self._last_words('warden.log')})"
        return f"{state['why']}, exit {state['exit']} ({self._last_words('log')})"

    def terminate(self) -> None:
        """Ask the warden to end the engine: SIGTERM, and SIGKILL when its grace is over."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End everything now."""
        self._signal(signal.SIGKILL)
        for pid in members(self._engine_pid()):
            _send(pid, signal.SIGKILL)

    def kill_leftovers(self) -> None:
        """End an engine that outlived its warden, of which there should be none. Only where it surely is that one:
        this may be a state of days ago, and its pid anybody's.
        """
        pid, ticks = self._state()["engine"]
        if ticks is not None and warden.started_ticks(pid) == ticks:
            for member in members(pid):
                _send(member, signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self._started is not None:
            self._started.send_signal(number)
        elif self.running:
            _send(self._state()["warden"][0], number)

    def _engine_pid(self) -> int:
        return int(self._state()["engine"][0])

    def _state(self) -> dict[str, Any]:
        """What the warden said last; nothing yet in the first moment of its life."""
        try:
            state: dict[str, Any] = json.loads((self.folder / STATE).read_text())
        except FileNotFoundError:
            return {"warden": [0, None], "engine": [0, None], "exit": None, "why": ""}
        return state

    def _last_words(self, name: str) -> str:
        """The last line that speaks of an error, else the last line: 200 letters of it, from the last 4,000."""
        path = self.folder / name
        if not path.exists():
            return "no log"
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 4000))
            lines = [line.strip() for line in file.read().decode(errors="replace").splitlines() if line.strip()]
        errors = [line for line in lines if "error" in line.lower()]
        return (errors or lines or ["empty log"])[-1][:200]


def _announce(folder: Path, pid: int) -> None:
    """Say which process the warden is until it does so itself, so that a fleet that comes in that moment finds it."""
    draft = folder / "state.announced"
    state = {"warden": [pid, warden.started_ticks(pid)], "engine": [0, None], "exit": None, "why": ""}
    draft.write_text(json.dumps(state))
    with contextlib.suppress(FileExistsError):  # it was quicker
        os.link(draft, folder / STATE)
    draft.unlink()


def members(session: int) -> list[int]:
    """Living processes of that session, none for 0."""
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()] if session else []
    return [pid for pid in pids if (fields := warden.stat(pid)) and int(fields[3]) == session]


def _listening(port: int) -> set[str]:
    """Inodes of the sockets that listen on that port, of any IPv4 address."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {row[9] for row in rows if row[3] == "0A" and int(row[1].partition(":")[2], 16) == port}


def _open_files(pid: int) -> list[str]:
    found = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                found.append(str(entry.readlink()))
    return found


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def forget(folders: Sequence[Path], keep: int) -> None:
    """Remove the folders of replicas that are gone, but the last so many, whose logs may be asked for."""
    for folder in sorted(folders, key=lambda f: f.stat().st_mtime)[: max(0, len(folders) - keep)]:
        shutil.rmtree(folder)
