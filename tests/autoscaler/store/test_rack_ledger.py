"""Decisions about racks outlive the process: kept once, replayed exactly, pruned but for the newest."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoscaler.sharing.controller import ConsideredRack
from autoscaler.sharing.joint import Need
from autoscaler.sharing.rack import RackPolicy, RackState, hold
from autoscaler.store.rack_ledger import RackLedger
from collectors.store import open_store
from runtime.pool import LeadTime
from runtime.rack import Rack
from tests.autoscaler.cases import NOW_S

RACK = Rack("h100", "H100", 2.5, 8, 64, LeadTime(120.0, 180.0), lent_share=0.2)
POLICY = RackPolicy(min_gpus=2)


@pytest.fixture
def ledger(tmp_path: Path) -> RackLedger:
    return RackLedger(open_store(f"sqlite:///{tmp_path / 'leadtime.db'}"))


def considered(at_s: float = NOW_S, together: int = 12, act: bool = True) -> ConsideredRack:
    found, state = Need(together, together + 6, 7, True), RackState(8, ((NOW_S - 15, 9),), NOW_S - 3600)
    return ConsideredRack(RACK, POLICY, found, state, hold(RACK, found, state, POLICY, at_s, act))


def test_what_is_recorded_comes_back_and_decides_again(ledger: RackLedger) -> None:
    first = considered()
    ledger.record_many([first, considered(NOW_S + 15, act=False)])
    ledger.record_many([considered()])  # the same id again
    newest, oldest = ledger.newest("h100")
    assert oldest.considered == first and oldest.considered.again() == first.decision
    assert newest.considered.again() == newest.considered.decision
    assert ledger.state("h100") == newest.considered.decision.next_state
    assert newest.considered.decision.next_state.gpus == 8  # in shadow nothing was asked for
    assert ledger.newest("h100", before_s=NOW_S + 15) == [oldest]
    assert ledger.newest("other") == [] and ledger.state("other") is None


def test_the_newest_acting_decision_is_found_until_it_is_applied(ledger: RackLedger) -> None:
    ledger.record_many([considered(), considered(NOW_S + 15), considered(NOW_S + 30, act=False)])
    waiting = ledger.unapplied("h100")
    assert waiting is not None and waiting.considered.decision.at_s == NOW_S + 15
    ledger.mark_applied(waiting.considered.decision.id, NOW_S + 16)
    ledger.mark_applied(waiting.considered.decision.id, NOW_S + 99)
    assert ledger.unapplied("h100") is None and ledger.newest("h100")[1].applied_at_s == NOW_S + 16
    with pytest.raises(KeyError, match="no decision"):
        ledger.mark_applied("rack-h100-0", NOW_S)


def test_old_decisions_are_forgotten_but_for_the_newest(ledger: RackLedger) -> None:
    ledger.record_many([considered(NOW_S + 15 * i) for i in range(4)])
    assert ledger.prune(NOW_S + 30) == 2
    assert ledger.prune(NOW_S + 1e6) == 1
    assert [entry.considered.decision.at_s for entry in ledger.newest("h100")] == [NOW_S + 45]
