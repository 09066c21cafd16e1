"""The controller in the flight simulator while things go wrong: nothing is lost or taken away, and it recovers."""

from __future__ import annotations

from autoscaler.backtest.contenders import Ours
from autoscaler.decision import ControlState
from autoscaler.policy import Policy
from runtime.replica import Tier, Transition
from runtime.simulated.world import World
from tests.autoscaler.backtest.cases import case, trace

POLICY = Policy.model_validate({"replicas": {"min": 2, "max": 12}, "scale_in": {"settle_after_restart_s": 0}})


class Flight:
    """A fleet under load with our controller at the wheel; ``wanted`` are its targets, tick by tick."""

    def __init__(self, growth: float = 1.0, rps: float = 12.0, seconds: float = 3600.0) -> None:
        made = case(trace(seconds, rps, growth), POLICY)
        self.world: World = made.world()
        self.ours = Ours(made)
        self.wanted: list[int] = []

    def fly(self, seconds: float) -> Flight:
        until_s = self.world.now_s + seconds
        while self.world.now_s < until_s:
            target = self.ours.target(self.world)
            assert target is not None
            self.world.set_targets([target])
            self.wanted.append(target.active)
            self.world.run_until(min(until_s, self.world.now_s + 15.0))
        return self

    @property
    def control(self) -> ControlState:
        return self.ours._control

    def serving(self) -> int:
        return sum(r.serving for r in self.world.replicas.by_name.values())

    def one(self) -> tuple[str, str]:
        """A replica in rotation, and one of its GPUs."""
        name, replica = next((n, r) for n, r in self.world.replicas.by_name.items() if r.serving)
        return name, replica.gpus[0].uuid

    def losses(self) -> tuple[int, int]:
        return self.world.outcomes[0].lost, int(self.world.state.replicas["aborted"].sum())


def test_a_gpu_with_an_urgent_fault_is_emptied_and_its_replica_replaced_and_no_request_is_lost() -> None:
    flight = Flight().fly(300)
    before, (name, gpu) = flight.serving(), flight.one()
    flight.world.fail_gpu(gpu, "xid", 171)  # the engine runs on
    flight.fly(15)
    assert flight.control.health.sick[0].replica == name
    replica = flight.world.replicas.by_name.get(name)
    assert replica is None or (replica.tier, replica.transition) == (Tier.COLD, Transition.DRAINING)
    flight.fly(400)
    assert name not in flight.world.replicas.by_name and flight.serving() >= before
    assert flight.losses() == (0, 0) and flight.control.health.sick == ()
    assert gpu not in {g.uuid for r in flight.world.replicas.by_name.values() for g in r.gpus}


def test_a_gpu_that_stays_hot_is_replaced_first_and_emptied_then() -> None:
    flight = Flight().fly(300)
    before, (name, gpu) = flight.serving(), flight.one()
    flight.world.fail_gpu(gpu, "heat")
    flight.fly(150)
    assert flight.control.replacing == 1 and flight.world.replicas.by_name[name].serving
    assert flight.serving() >= before
    flight.fly(450)
    assert name not in flight.world.replicas.by_name and flight.serving() >= before
    assert flight.losses() == (0, 0)


def test_what_is_sold_out_is_not_asked_for_for_ever_and_comes_when_it_is_back() -> None:
    flight = Flight(growth=8.0, rps=8.0, seconds=3000.0).fly(240)
    flight.world.sell_out("h100-tp2")
    had = flight.fly(400).serving()  # who was on the way arrives
    flight.fly(1100)
    assert flight.serving() == had
    assert flight.wanted[-1] == had + 1 < max(flight.wanted)
    assert flight.control.ask is not None
    flight.world.sell_out("h100-tp2", False)
    flight.fly(900)
    assert flight.serving() > had + 1
    assert flight.losses() == (0, 0)


def test_a_fleet_that_loses_its_metrics_at_its_peak_keeps_what_it_has() -> None:
    flight = Flight(rps=20.0).fly(600)
    before = flight.wanted[-1]
    flight.world.dark_until_s = flight.world.now_s + 900
    flight.fly(900)
    assert min(flight.wanted[-60:]) >= before
    assert flight.losses() == (0, 0)
