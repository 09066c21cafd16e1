"""The client: answers are typed and kept for a moment, failures say what to do."""

from __future__ import annotations

import httpx
import pytest

from app.api.schemas.fleet import FleetView
from app.api.schemas.policies import PolicyWrite
from app.console.client import Api, ApiDown, ApiRefused, ApiUnreadable
from tests.app.console.conftest import NOW_S
from tests.app.console.fake_api import World, fleet

VIEW = fleet(World(lambda: NOW_S)).model_dump_json()


class Wire:
    """Answers every request with ``response`` and counts them."""

    def __init__(self, response: httpx.Response | Exception) -> None:
        self.response = response
        self.requests: list[httpx.Request] = []
        self.now_s = 0.0
        self.api = Api("http://api:1/", transport=httpx.MockTransport(self.answer), monotonic=lambda: self.now_s)

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if isinstance(self.response, Exception):
            raise self.response
        return self.response


def test_a_read_is_typed_and_kept_for_a_moment() -> None:
    wire = Wire(httpx.Response(200, text=VIEW))
    assert isinstance(wire.api.fleet(), FleetView)
    wire.api.fleet()
    assert len(wire.requests) == 1
    wire.now_s = 1.1
    wire.api.fleet()
    assert [str(r.url) for r in wire.requests] == ["http://api:1/api/v1/fleet"] * 2


def test_a_write_forgets_what_was_read() -> None:
    wire = Wire(httpx.Response(200, text=VIEW))
    wire.api.fleet()
    wire.response = httpx.Response(409, json={"detail": "version 1 is not the newest"})
    write = PolicyWrite(policy={}, base_version=1, author="ada", reason="peak")
    with pytest.raises(ApiRefused, match=r"409.*version 1 is not the newest") as refusal:
        wire.api.apply_policy("s", write)
    assert refusal.value.status == 409
    wire.response = httpx.Response(200, text=VIEW)
    wire.api.fleet()
    assert len(wire.requests) == 3


def test_different_questions_are_kept_apart() -> None:
    wire = Wire(httpx.Response(200, json={"changes": [], "yaml_diff": ""}))
    wire.api.policy_diff("s", 1, 2)
    wire.api.policy_diff("s", 2, 1)
    assert [r.url.query for r in wire.requests] == [b"from=1&to=2", b"from=2&to=1"]


def test_no_answer_names_the_address_and_the_command() -> None:
    wire = Wire(httpx.ConnectError("refused"))
    with pytest.raises(ApiDown, match=r"http://api:1\. Start it with `leadtime up`"):
        wire.api.fleet()


def test_in_an_outage_reads_give_what_was_known_last_and_the_probe_does_not() -> None:
    wire = Wire(httpx.Response(200, text=VIEW))
    assert wire.api.silent_s is None
    known = wire.api.fleet()
    wire.response, wire.now_s = httpx.ReadTimeout("silent"), 42.0
    assert wire.api.fleet() == known
    with pytest.raises(ApiDown):
        wire.api.probe()
    assert wire.api.silent_s == 42.0 and wire.api.down
    asked = len(wire.requests)
    assert wire.api.fleet() == known and len(wire.requests) == asked  # nobody waits for the same silence twice
    with pytest.raises(ApiDown):
        wire.api.racks()
    wire.response = httpx.Response(200, text=VIEW)
    wire.api.probe()
    assert wire.api.silent_s == 0.0 and not wire.api.down


def test_a_refusal_is_no_outage() -> None:
    wire = Wire(httpx.Response(200, text=VIEW))
    wire.api.fleet()
    wire.response, wire.now_s = httpx.Response(401, json={"detail": "revoked"}), 2.0
    with pytest.raises(ApiRefused, match="revoked"):
        wire.api.fleet()


def test_what_is_remembered_of_a_moving_window_is_its_newest_and_no_other_window() -> None:
    body = {"service": "s", "start_s": 0.0, "end_s": 60.0, "step_s": 15.0, "signals": {}}
    wire = Wire(httpx.Response(200, json=body))
    known = wire.api.series("s", ("waiting",), 0.0, 60.0)
    wire.response, wire.now_s = httpx.ConnectError("refused"), 5.0
    assert wire.api.series("s", ("waiting",), 5.0, 65.0) == known
    with pytest.raises(ApiDown):
        wire.api.series("s", ("waiting",), 0.0, 3600.0)


def test_another_server_at_the_address_is_told() -> None:
    for body in ("<html>", '{"clock": 1}'):
        with pytest.raises(ApiUnreadable, match="does not answer like"):
            Wire(httpx.Response(200, text=body)).api.fleet()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"detail": "no service s"}, "no service s"),
        ({"detail": [{"loc": ["body", "reason"], "msg": "too short"}]}, "reason: too short"),
        (["odd"], "Unprocessable"),
    ],
)
def test_the_reason_of_a_refusal_is_found(body: object, said: str) -> None:
    with pytest.raises(ApiRefused, match=said):
        Wire(httpx.Response(422, json=body)).api.fleet()


def test_a_forecast_that_is_not_there_yet_is_none() -> None:
    assert Wire(httpx.Response(404, json={"detail": "no forecast yet"})).api.forecast("s") is None
    with pytest.raises(ApiRefused):
        Wire(httpx.Response(500, text="")).api.forecast("s")
