"""The router is told what the fleet file says."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from app.errors import UserError
from app.routersettings import RouterPolicy, RouterSettings
from app.routing import router_spec
from app.settings import load
from runtime.router.bandit import Arm, BanditSpec, Reward
from runtime.router.policies import POLICIES
from runtime.router.sizes import Sizes
from runtime.router.spec import Limits, Promise, ServiceClass
from runtime.router.tenants import Quota, Tenancy
from tests.app.test_settings import GOOD


def test_the_file_names_every_policy() -> None:
    assert get_args(RouterPolicy) == (*POLICIES, "bandit")


def test_services_limits_and_promises(tmp_path: Path) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_text(GOOD + "router: {policy: lmetric, held: 7, body_bytes: 4096}\n")
    spec = router_spec(load(path))
    chat = spec.services[0]
    assert (chat.name, list(chat.pools), chat.policy) == ("chat", ["chat-h100"], "lmetric")
    assert chat.promise == Promise(1.5, 0.0, 0.05)
    assert spec.limits == Limits(held=7, body_bytes=4096)


def test_a_service_may_name_its_own_policy(tmp_path: Path) -> None:
    path = tmp_path / "fleet.yaml"
    service = GOOD.split("services:\n")[1].replace("chat", "code")
    path.write_text(GOOD + service + "    router: {policy: lmetric}\n")
    assert [routed.policy for routed in router_spec(load(path)).services] == ["sal", "lmetric"]


def test_tenants_and_classes(tmp_path: Path) -> None:
    path = tmp_path / "fleet.yaml"
    service = "    router: {classes: [{name: interactive}, {name: batch, share: 0.5, ttft_s: 60}]}\n"
    named = "{acme: {weight: 2, requests_per_s: 5, tokens_per_min: 60000, in_flight: 8}}"
    path.write_text(GOOD + service + f"router: {{tenants: {{named: {named}, default: {{in_flight: 4}}}}}}\n")
    spec = router_spec(load(path))
    assert spec.tenancy == Tenancy("x-tenant-id", {"acme": Quota(2.0, 5.0, 60000.0, 8)}, Quota(in_flight=4))
    assert spec.services[0].classes == (
        ServiceClass("interactive", 1.0, Promise(1.5, 0.0, 0.05)),
        ServiceClass("batch", 0.5, Promise(60.0, 0.0, 0.05)),
    )


def test_pools_by_length(tmp_path: Path) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_text(GOOD + "    router: {up_to_tokens: {chat-h100: 4096}}\n")
    assert router_spec(load(path)).services[0].sizes == Sizes({"chat-h100": 4096})
    path.write_text(GOOD + "    router: {up_to_tokens: {chat-l4: 4096}}\n")
    with pytest.raises(UserError, match="router: no pool 'chat-l4'; there are chat-h100"):
        load(path)


def test_a_bandit(tmp_path: Path) -> None:
    path = tmp_path / "fleet.yaml"
    more = "    router: {policy: bandit, bandit: {arms: [sal, lmetric@chat-h100], reward: cost, memory_requests: 50}}\n"
    path.write_text(GOOD + more)
    chat = router_spec(load(path)).services[0]
    arms = Arm("sal"), Arm("lmetric", "chat-h100")
    assert (chat.policy, chat.bandit) == ("bandit", BanditSpec(arms, Reward.COST, 50.0))
    path.write_text(GOOD + more.replace("sal,", "best,"))
    with pytest.raises(UserError, match="arm 'best': no policy 'best'"):
        load(path)
    path.write_text(GOOD + more.replace("cost", "energy"))
    with pytest.raises(UserError, match="joules_per_token of pool chat-h100 is missing"):
        load(path)


def test_a_class_that_is_there_twice_is_told(tmp_path: Path) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_text(GOOD + "    router: {classes: [{name: batch}, {name: batch}]}\n")
    with pytest.raises(UserError, match="class name 'batch' is used twice"):
        load(path)


def test_defaults_are_the_router_s_own() -> None:
    given, limits = RouterSettings(), Limits()
    for name in ("body_bytes", "held", "hold_s", "in_flight", "connect_s", "read_s", "write_s"):
        assert getattr(given, name) == getattr(limits, name)
