"""KEDA's questions over gRPC to our server, which asks the daemon's API over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import grpc
import grpc.aio
import httpx
import pytest

from app.daemon.parts import Daemon
from autoscaler.policy import Mode
from tests.app.externalscaler.conftest import Generated, Served

Decide = Callable[[int], None]
Code = grpc.StatusCode


async def refusal(call: Any) -> tuple[Any, str]:
    """The status of a call that is refused."""
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    return error.value.code(), error.value.details()


async def test_one_metric_with_target_one(keda: Generated, scaler: Any) -> None:
    (spec,) = (await scaler.GetMetricSpec(keda.ref(service="chat"))).metricSpecs
    assert (spec.metricName, spec.targetSize, spec.targetSizeFloat) == ("leadtime-desired-replicas", 1, 1.0)


@pytest.mark.parametrize("count", [0, 1, 7])
async def test_the_metric_is_what_was_decided(keda: Generated, scaler: Any, decide: Decide, count: int) -> None:
    decide(count)
    (value,) = (await scaler.GetMetrics(keda.metrics(service="chat"))).metricValues
    assert (value.metricValue, value.metricValueFloat) == (count, float(count))
    assert (await scaler.IsActive(keda.ref(service="chat"))).result is (count > 0)


async def test_a_decision_in_shadow_mode_is_given(keda: Generated, scaler: Any, daemon: Daemon, decide: Decide) -> None:
    known = daemon.memory.services["chat"]
    known.policy = known.policy.model_copy(update={"mode": Mode.SHADOW})
    decide(5)
    assert (await scaler.GetMetrics(keda.metrics(service="chat"))).metricValues[0].metricValue == 5


async def test_stale_data_are_an_error_and_no_number(keda: Generated, scaler: Any, daemon: Daemon) -> None:
    daemon.memory.now_s += 10_000
    for call in (scaler.GetMetrics(keda.metrics(service="chat")), scaler.IsActive(keda.ref(service="chat"))):
        code, said = await refusal(call)
        assert code is Code.FAILED_PRECONDITION
        assert said.startswith("chat: data are 10")


async def test_nothing_decided_yet_is_an_error(keda: Generated, scaler: Any, daemon: Daemon) -> None:
    known = daemon.memory.services["chat"]
    known.decision, known.control = None, replace(known.control, desired=None)
    assert await refusal(scaler.IsActive(keda.ref(service="chat"))) == (
        Code.FAILED_PRECONDITION,
        "chat: nothing decided yet",
    )


async def test_an_unknown_service_is_named(keda: Generated, scaler: Any) -> None:
    code, said = await refusal(scaler.GetMetrics(keda.metrics(service="chit")))
    assert (code, said) == (Code.NOT_FOUND, "chit: the API knows no such service")


async def test_bad_metadata_and_unknown_metrics_are_refused(keda: Generated, scaler: Any) -> None:
    assert (await refusal(scaler.GetMetricSpec(keda.ref())))[0] is Code.INVALID_ARGUMENT
    other = keda.ref(service="chat", api="http://169.254.169.254")
    assert (await refusal(scaler.IsActive(other)))[0] is Code.INVALID_ARGUMENT
    assert (await refusal(scaler.StreamIsActive(other).read()))[0] is Code.INVALID_ARGUMENT
    assert (await refusal(scaler.GetMetrics(keda.metrics("cpu", service="chat"))))[0] is Code.NOT_FOUND


async def test_an_api_out_of_reach_is_an_error_but_the_target_is_known(keda: Generated) -> None:
    def gone(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused", request=request)

    async with httpx.AsyncClient(transport=httpx.MockTransport(gone)) as client, Served(keda, client) as scaler:
        code, said = await refusal(scaler.GetMetrics(keda.metrics(service="chat")))
        assert (code, said) == (Code.UNAVAILABLE, "http://api: no answer (connection refused)")
        assert len((await scaler.GetMetricSpec(keda.ref(service="chat"))).metricSpecs) == 1


async def test_a_stream_tells_the_state_and_every_change(keda: Generated, scaler: Any, decide: Decide) -> None:
    decide(0)
    stream = scaler.StreamIsActive(keda.ref(service="chat"))
    assert (await stream.read()).result is False
    decide(2)
    assert (await stream.read()).result is True
    decide(3)  # a change of the number is none of the activity
    await asyncio.sleep(0.05)
    decide(0)
    assert (await stream.read()).result is False
    stream.cancel()


async def test_a_stream_outlives_data_that_are_missing(
    keda: Generated, scaler: Any, daemon: Daemon, decide: Decide
) -> None:
    decide(2)
    stream = scaler.StreamIsActive(keda.ref(service="chat"))
    assert (await stream.read()).result is True
    daemon.memory.now_s += 10_000
    decide(0)
    waiting = asyncio.ensure_future(stream.read())
    await asyncio.sleep(0.1)
    assert not waiting.done()  # stale: the zero is not told
    daemon.memory.now_s -= 10_000
    assert (await waiting).result is False
    stream.cancel()
