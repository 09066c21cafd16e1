"""A daemon that a Lease makes lead, and that ends when it is lost."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.daemon.leading import Alone
from app.daemon.main import ended
from app.fleets import leader_of
from app.kubernetes.leader import ClusterLeader, reached_at
from runtime.kubernetes.lease import LostLease
from tests.app.kubernetes.conftest import Setting
from tests.app.test_fleets import settings


def kubeconfig(folder: Path) -> str:
    """A file that points nowhere."""
    user, server = {"name": "u", "user": {"token": "t"}}, {"name": "k", "cluster": {"server": "http://127.0.0.1:1"}}
    context = {"name": "c", "context": {"cluster": "k", "user": "u", "namespace": "ops"}}
    file = folder / "kubeconfig"
    told = {"clusters": [server], "contexts": [context], "users": [user], "current-context": "c"}
    file.write_text(yaml.safe_dump(told))
    return str(file)


def fleet(folder: Path, **changes: Any) -> dict[str, Any]:
    return {"kind": "kubernetes", "kubernetes": {"namespaces": ["llm"], "kubeconfig": kubeconfig(folder), **changes}}


async def test_without_a_lease_a_daemon_is_alone(tmp_path: Path) -> None:
    assert isinstance(leader_of(settings(fleet(tmp_path))), Alone)
    assert isinstance(leader_of(settings({})), Alone)


async def test_a_lease_lies_where_the_daemon_runs_unless_it_is_told(tmp_path: Path) -> None:
    for told, place in (({}, "ops"), ({"lease_namespace": "web"}, "web")):
        made = leader_of(settings(fleet(tmp_path, lease="leadtime-daemon", **told)))
        assert isinstance(made, ClusterLeader) and not made.leads()
        assert made._one.path.endswith(f"/namespaces/{place}/leases/leadtime-daemon")
        await made.close()


async def test_it_leads_and_lets_the_next_one_lead(setting: Setting) -> None:
    first, second = (ClusterLeader(setting.api(), "llm", "leadtime-daemon") for _ in range(2))
    assert first.state.identity != second.state.identity
    await first.acquire()
    assert first.leads() and not second.leads()
    await first.release()
    await second.acquire()
    assert second.leads() and not first.leads()
    await first.close()
    await second.close()


async def test_who_leads_tells_the_others_where_its_api_is(setting: Setting) -> None:
    first = ClusterLeader(setting.api(), "llm", "leadtime-daemon", "10.0.0.7:8800")
    second = ClusterLeader(setting.api(), "llm", "leadtime-daemon")
    assert second.address == ""
    await first.acquire()
    await second._try()
    assert second.address == first.address == "http://10.0.0.7:8800"
    await first.release()
    await second.acquire()
    assert second.address == ""
    await first.close()
    await second.close()


@pytest.mark.parametrize(("host", "address"), [("127.0.0.1", ""), ("10.0.0.7", "10.0.0.7:8800")])
def test_loopback_is_no_address_for_others(host: str, address: str) -> None:
    assert reached_at(host, 8800) == address
    assert reached_at("0.0.0.0", 8800).endswith(":8800")


async def test_a_lost_lead_ends_the_process_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    async def lost() -> None:
        raise LostLease("lease ops/leadtime-daemon: held by daemon-2 now")

    task = asyncio.create_task(lost())
    await asyncio.wait([task])
    with pytest.raises(SystemExit) as left:
        ended(task)
    assert left.value.code == 1 and "held by daemon-2 now" in capsys.readouterr().out
