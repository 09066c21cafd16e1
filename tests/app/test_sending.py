"""Doctor tells where requests are sent blindly and capacity is planned by load, and no more than it can know."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.sending import blind, by_router, by_service, routings, taken_for_granted
from app.settings import Settings
from autoscaler.policy import Policy, Routing
from autoscaler.store.policies import PolicyStore
from collectors.store import open_store
from tests.app.test_fleets import POOL


def settings(folder: Path, service: dict[str, Any] | None = None, router: str = "sal") -> Settings:
    told = {"name": "chat", "pools": [POOL], **(service or {})}
    store = {"url": f"sqlite:///{folder / 'store.db'}"}
    return Settings.model_validate({"services": [told], "store": store, "router": {"policy": router}})


@pytest.mark.parametrize("policy", ["random", "round-robin"])
def test_a_router_that_looks_at_nothing_is_told_with_what_to_set(tmp_path: Path, policy: str) -> None:
    for chosen in (settings(tmp_path, router=policy), settings(tmp_path, {"router": {"policy": policy}})):
        (check,) = by_router(chosen, routings(chosen))
        assert (check.name, check.status) == ("routing of chat", "warn") and "\n" not in check.detail
        assert check.detail.startswith(f"router policy {policy} does not look at load, but policy.routing is by-load")
        assert "set policy.routing: blind" in check.detail


@pytest.mark.parametrize("policy", ["sal", "least-requests", "session-affinity", "bandit"])
def test_other_routers_are_no_reason_to_speak(tmp_path: Path, policy: str) -> None:
    chosen = settings(tmp_path, {"router": {"policy": policy}}, router="random")
    assert not list(by_router(chosen, routings(chosen)))


def test_a_bandit_is_blind_where_all_its_arms_are(tmp_path: Path) -> None:
    for arms, so in ((["random", "round-robin"], True), (["random", "sal"], False)):
        chosen = settings(tmp_path, {"router": {"policy": "bandit", "bandit": {"arms": arms}}})
        assert blind(chosen, chosen.services[0]) is so


def test_the_store_s_newest_policy_counts_and_else_the_file_s(tmp_path: Path) -> None:
    chosen = settings(tmp_path, {"policy": {"routing": "blind"}})
    assert routings(chosen) == {"chat": Routing.BLIND} and not (tmp_path / "store.db").exists()
    engine = open_store(chosen.store.url)
    assert routings(chosen) == {"chat": Routing.BLIND}
    kept = PolicyStore(engine)
    kept.write("chat", Policy(routing=Routing.BLIND), 0, "a", "first", 1.0)
    kept.write("chat", Policy(), 1, "a", "second", 2.0)
    assert routings(chosen) == {"chat": Routing.BY_LOAD}
    engine.dispose()


def test_of_a_store_that_cannot_be_read_nothing_is_known(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_text("no database at all, but a file of some length" * 9)
    chosen = settings(tmp_path, router="random")
    assert routings(chosen) == {} and not list(by_router(chosen, routings(chosen)))


def test_what_somebody_has_said_is_not_taken_for_granted(tmp_path: Path) -> None:
    silent = settings(tmp_path)
    assert taken_for_granted(silent, routings(silent)) == {"chat"} and taken_for_granted(silent, {}) == set()
    for policy in ({"routing": "by-load"}, {"routing": "blind"}):
        chosen = settings(tmp_path, {"policy": policy})
        assert taken_for_granted(chosen, routings(chosen)) == set()
    told_already = settings(tmp_path, router="random")
    assert taken_for_granted(told_already, routings(told_already)) == set()


def test_a_plain_service_is_told_in_one_line() -> None:
    check = by_service("chat", "llm/chat")
    assert check.status == "warn" and "\n" not in check.detail
    assert "Service llm/chat is sent by chance" in check.detail and "policy.routing: blind" in check.detail
