"""A fleet that dies and one that comes after it, in the same home."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runtime.local.process import Process, members
from runtime.local.spec import Sleep
from runtime.replica import Replica
from tests.runtime.local.conftest import PORTS, Played, cores, engine, local, until

Play = Callable[..., Any]


async def restarted(play: Play, played: Played, **changes: Any) -> Played:
    """The fleet is gone, its engines are left, and another one starts in its home."""
    await played.fleet.close(stop=False)
    return await play(spec=local(played.fleet.spec.home, **{"ports": played.fleet.spec.ports, **changes}))


async def test_what_serves_is_adopted_under_its_name_and_stays(play: Play) -> None:
    played = await play()
    await played.want(active=1, standby=1)
    before = await played.settled(active=1, standby=1)
    after = await restarted(play, played)
    found = await after.settled(active=1, standby=1)
    assert [(r.name, r.tier, r.base_url, r.gpus) for r in found] == [
        (r.name, r.tier, r.base_url, r.gpus) for r in before
    ]
    await after.want(active=2)
    assert found[0].name in {r.name for r in await after.settled(active=2)}
    assert not after.said("launching")


async def test_a_sleeper_is_adopted_asleep_and_woken(play: Play) -> None:
    played = await play()
    await played.want(asleep=1)
    (before,) = await played.settled(asleep=1)
    after = await restarted(play, played)
    await after.settled(asleep=1)
    await after.want(active=1)
    (woken,) = await after.settled(active=1)
    assert woken.name == before.name


async def test_one_that_is_still_starting_is_adopted_and_becomes_active(play: Play) -> None:
    played = await play()
    await played.want(active=1)
    await until(lambda: played.said("launching"))
    after = await restarted(play, played)
    await after.settled(active=1)


async def upgraded(play: Play, slots: int) -> tuple[Played, Replica]:
    """One replica, and a new fleet for which it is not what it should be."""
    played = await play(slots=cores(slots))
    await played.want(active=1)
    (old,) = await played.settled(active=1)
    changed = engine(args=("--max-num-seqs", "8"), sleep=Sleep.PAUSE)
    return await restarted(play, played, engines=(changed,), slots=cores(slots)), old


async def test_one_of_an_older_specification_serves_until_its_successor_does(play: Play) -> None:
    after, old = await upgraded(play, slots=2)
    assert "no longer as specified" in after.said("adopted")[0]
    await until(lambda: after.said("stopped"))
    (new,) = await after.settled(active=1)
    words = [(event.replica, event.what) for event in after.fleet.events()]
    assert words.index((new.name, "serving")) < words.index((old.name, "drain"))


async def test_where_its_slot_is_needed_it_leaves_first(play: Play) -> None:
    after, old = await upgraded(play, slots=1)
    await until(lambda: after.said("stopped"))
    (new,) = await after.settled(active=1)
    assert new.name != old.name and new.gpus == old.gpus


async def test_one_of_a_pool_that_is_no_more_drains_and_stops(play: Play) -> None:
    played = await play()
    await played.want(active=1)
    await played.settled(active=1)
    after = await restarted(play, played, engines=(engine("q"),))
    await until(lambda: after.said("stopped"))
    assert await after.fleet.replicas() == ()


async def test_one_that_died_meanwhile_is_not_adopted(play: Play) -> None:
    played = await play()
    await played.want(active=1)
    (old,) = await played.settled(active=1)
    await played.fleet.close()
    after = await restarted(play, played)
    assert await after.all() == []
    assert (after.fleet.spec.home / "replicas" / old.name / "log").exists()
    await after.want(active=1)
    (new,) = await after.settled(active=1)
    assert new.name != old.name


async def test_a_process_without_a_record_is_ended(play: Play) -> None:
    played = await play()
    await played.want(active=1)
    (old,) = await played.settled(active=1)
    folder = played.fleet.spec.home / "replicas" / old.name
    (folder / "replica.json").unlink()
    after = await restarted(play, played)
    assert await after.all() == []
    await until(lambda: Process(folder).gone)


async def test_two_fleets_in_one_home_are_refused(play: Play, tmp_path: Path) -> None:
    await play()
    with pytest.raises(ValueError, match="another fleet runs there"):
        await play(spec=local(tmp_path))


KILLED = """
import asyncio, sys
from pathlib import Path
from runtime.clock import WallClock
from runtime.fleet import PoolTarget
from runtime.local.fleet import LocalFleet
from tests.runtime.local.conftest import local

async def main():
    fleet = LocalFleet(local(Path(sys.argv[1]), ports=(int(sys.argv[2]), int(sys.argv[2]) + 4)), WallClock())
    await fleet.start()
    await fleet.apply([PoolTarget("tiny", "p", 1)], "d1")
    await asyncio.sleep(600)

asyncio.run(main())
"""


async def killed_fleet(home: Path, port: int) -> int:
    """Run a fleet elsewhere until its replica serves, then kill -9 it; the pid of the engine that is left."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", textwrap.dedent(KILLED), str(home), str(port))
    record = home / "replicas" / "tiny-p-0001" / "replica.json"
    await until(lambda: record.exists() and Process(record.parent)._engine_pid())
    process.send_signal(signal.SIGKILL)
    await process.wait()
    return Process(record.parent)._engine_pid()


async def test_after_kill_9_of_the_fleet_the_engine_runs_on_and_is_adopted(play: Play, tmp_path: Path) -> None:
    port = next(PORTS)
    pid = await killed_fleet(tmp_path, port)
    os.kill(pid, 0)
    played = await play(spec=local(tmp_path, ports=(port, port + 4)))
    (adopted,) = await played.settled(active=1)
    assert adopted.name == "tiny-p-0001"


async def test_after_kill_9_of_the_fleet_nothing_stays_when_nobody_comes(tmp_path: Path) -> None:
    pid = await killed_fleet(tmp_path, next(PORTS))
    await until(lambda: not members(pid))
