"""A search elsewhere comes to what it comes to here."""

from __future__ import annotations

from autoscaler.tuning.tuner import Tuner
from autoscaler.tuning.worker import chosen, packed, serve
from tests.autoscaler.cases import POOL
from tests.autoscaler.tuning.pasts import POLICY, moments


def test_a_task_survives_the_way_there_and_back() -> None:
    task = Tuner(POOL, moments(6.0)).task(POLICY)
    assert chosen(serve(packed(task))) == task.chosen()
