"""When a number is given, and what is said where none can be."""

from __future__ import annotations

import httpx
import pytest

from app.externalscaler.desired import Asked, Counts, NotKnown, Row, Why, desired, service_of

API = "http://api:8800"


def row(active: int | None = 3, mode: str = "shadow", age_s: float | None = 4.0, stale: bool = False) -> Row:
    return Row(mode=mode, stale=stale, data_age_s=age_s, replicas=Counts(desired_active=active))


@pytest.mark.parametrize("mode", ["shadow", "auto"])
def test_what_was_decided_is_given_also_where_it_is_zero(mode: str) -> None:
    assert desired("chat", row(mode=mode)) == 3
    assert desired("chat", row(0, mode)) == 0


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (row(mode="off"), "chat: mode off; the scaler answers in shadow and auto"),
        (row(mode="paused"), "chat: mode paused"),
        (row(age_s=90.4, stale=True), "chat: data are 90 s old"),
        (row(age_s=None, stale=True), "chat: no data yet"),
        (row(None), "chat: nothing decided yet"),
    ],
)
def test_what_should_not_be_acted_on_is_not_given(told: Row, said: str) -> None:
    with pytest.raises(NotKnown, match=said) as error:
        desired("chat", told)
    assert error.value.why is Why.HELD


@pytest.mark.parametrize("service", ["", "..", "a/b", "chat?x=1", "-x", "chat\n"])
def test_a_name_that_is_none_comes_into_no_address(service: str) -> None:
    with pytest.raises(NotKnown, match="is no name of a service"):
        service_of({"service": service}, API)


@pytest.mark.parametrize("other", ["http://169.254.169.254", "http://api:8801", ""])
def test_another_api_is_refused(other: str) -> None:
    with pytest.raises(NotKnown, match="asks http://api:8800 alone") as error:
        service_of({"service": "chat", "api": other}, API)
    assert error.value.why is Why.WRONG


def test_the_same_api_may_be_named() -> None:
    assert service_of({"service": "chat", "api": API + "/"}, API) == "chat"


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(500),
        httpx.Response(302, headers={"Location": "http://elsewhere"}),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json={"mode": "auto", "stale": False, "data_age_s": 1, "replicas": {}}),
        httpx.Response(200, json={"mode": "auto", "stale": False, "data_age_s": 1, "replicas": {"desired_active": -1}}),
    ],
)
async def test_an_answer_that_is_none_counts_as_away(answer: httpx.Response) -> None:
    async with httpx.AsyncClient(transport=httpx.MockTransport(lambda _: answer)) as client:
        with pytest.raises(NotKnown) as error:
            await Asked(API, client).desired("chat")
    assert error.value.why is Why.AWAY
