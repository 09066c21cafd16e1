"""A plan reaches its target in a cluster that keeps its rules, drains before it removes, and then says nothing more."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.fleet import PoolTarget
from runtime.kubernetes.marks import Change, Rotation
from runtime.kubernetes.plan import Budget, Plan, Rules, Workload, plan
from runtime.kubernetes.pods import PodState, Situation, state
from runtime.kubernetes.victims import LEAST, removed
from runtime.replica import Tier
from tests.runtime.kubernetes.recordings import items

READY = state(items("deletion-cost-1-pods-before")[0])
NEW = replace(READY, situation=Situation.CREATING, served=False, ready_s=None, restarts=0)
RULES = Rules(settle_s=10)


def pod(name: str, **changes: object) -> PodState:
    return replace(READY, name=name, uid=name, **changes)  # type: ignore[arg-type]


def target(active: int, **spares: int) -> PoolTarget:
    return PoolTarget("chat", "pool", active, **spares)


def asked(pods: list[PodState], active: int, replicas: int | None = None, **told: object) -> Plan:
    count = len(pods) if replicas is None else replicas
    loads = {p.name: 0 for p in pods}
    wanted = told.pop("want", target(active))
    return plan(Workload(count), pods, wanted, 1000.0, RULES, **{"loads": loads, **told})  # type: ignore[arg-type]


def test_nothing_is_planned_where_all_is_as_wanted() -> None:
    assert asked([pod("a"), pod("b")], 2) == Plan(2)


def test_pods_that_were_asked_for_and_are_not_there_yet_are_not_asked_for_again() -> None:
    assert asked([pod("a")], 3, replicas=3) == Plan(3)
    assert asked([pod("a")], 2, replicas=3).replicas == 2


def test_a_new_pod_becomes_a_standby_before_it_is_ready() -> None:
    made = asked([pod("a"), replace(NEW, name="b", uid="b")], 1, want=target(1, standby=1))
    assert made.changes == (Change("b", Tier.STANDBY, Rotation.OUT),)


def test_who_is_to_go_drains_settles_and_then_goes_with_the_lowest_cost() -> None:
    pods = [pod("a"), pod("b", created_s=9e9)]
    first = asked(pods, 1)
    assert (first.replicas, first.changes) == (2, (Change("b", Tier.COLD, Rotation.DRAINING),))
    gone = replace(pods[1], goal=Tier.COLD, rotation=Rotation.DRAINING, moved_s=995.0)
    assert asked([pods[0], gone], 1) == Plan(2)
    gone = replace(gone, moved_s=980.0)
    assert asked([pods[0], gone], 1).changes == (Change("b", rotation=Rotation.OUT),)
    gone = replace(gone, rotation=Rotation.OUT)
    assert asked([pods[0], gone], 1) == Plan(1, (Change("b", cost=-1),))


def test_a_cost_is_taken_back_where_the_pod_stays() -> None:
    marked = pod("a", cost=-1, our_cost=True)
    assert asked([marked], 1).changes == (Change("a", drop_cost=True),)


def test_a_cost_that_cannot_be_undercut_holds_the_scale_in() -> None:
    gone = pod("b", goal=Tier.COLD, rotation=Rotation.OUT)
    made = asked([pod("a", cost=LEAST), gone], 1)
    assert (made.replicas, made.holds[0].reason) == (2, "DeletionCostContested")


def test_a_drain_limit_lets_go_of_a_busy_pod() -> None:
    gone = pod("b", goal=Tier.COLD, rotation=Rotation.DRAINING, moved_s=900.0)
    limited = replace(RULES, drain_limit_s=50.0)
    made = plan(Workload(1), [gone], target(0), 1000.0, limited, {"b": 5})
    assert made.changes == (Change("b", rotation=Rotation.OUT),)
    assert plan(Workload(1), [gone], target(0), 1000.0, RULES, {"b": 5}).changes == ()


def test_a_pod_whose_load_is_not_known_is_neither_idle_nor_chosen_first() -> None:
    made = asked([pod("a"), pod("b")], 1, loads={"a": None, "b": 7})
    assert [change.pod for change in made.changes] == ["b"]
    gone = pod("b", goal=Tier.COLD, rotation=Rotation.DRAINING, moved_s=0.0)
    assert asked([gone], 0, loads={"b": None}).changes == ()


def test_a_drain_whose_beginning_was_lost_begins_again() -> None:
    gone = pod("b", goal=Tier.COLD, rotation=Rotation.DRAINING, moved_s=None)
    assert asked([gone], 0).changes == (Change("b", rotation=Rotation.DRAINING),)


def test_a_budget_lets_as_many_go_as_it_allows() -> None:
    pods = [pod("a"), *(pod(n, goal=Tier.COLD, rotation=Rotation.OUT) for n in "bc")]
    made = asked(pods, 1, budgets=[Budget("pdb", lambda labels: True, 1)])
    assert (made.replicas, [hold.reason for hold in made.holds]) == (2, ["DisruptionBudget"])


def test_a_pod_on_a_lost_node_is_replaced_and_keeps_its_place_in_the_count() -> None:
    lost = pod("b", situation=Situation.NODE_LOST, served=False)
    assert asked([pod("a"), lost], 2).replicas == 3
    assert asked([pod("a"), lost, pod("c")], 2) == Plan(3)


def test_a_scale_in_that_would_hit_another_waits() -> None:
    here = [pod("a"), replace(NEW, name="b", uid="b"), pod("c", goal=Tier.COLD, rotation=Rotation.OUT)]
    made = asked(here, 2)
    assert (made.replicas, made.holds[0].reason) == (3, "WrongVictim")


def test_one_that_holds_the_gpus_that_its_replacement_waits_for_is_evicted() -> None:
    stuck = replace(NEW, name="b", uid="b", situation=Situation.UNSCHEDULABLE, node="")
    made = asked([pod("a"), stuck, pod("c", goal=Tier.COLD, rotation=Rotation.OUT)], 2)
    assert (made.replicas, made.evict) == (3, ("c",))


def test_a_rollout_goes_on_undisturbed() -> None:
    here = [pod("a", revision="1"), pod("b", revision="1"), replace(NEW, name="c", uid="c", revision="2")]
    assert asked(here, 2, replicas=2) == Plan(2)
    gone = replace(here[1], goal=Tier.COLD, rotation=Rotation.OUT)
    made = asked([here[0], gone, here[2]], 1, replicas=2)
    assert (made.replicas, made.holds[0].reason) == (2, "RollingUpdate")
    assert asked(here, 3, replicas=2).replicas == 3


class World:
    """A ReplicaSet that does as it is told at once, and pods that get ready a step later."""

    def __init__(self, ordinal: bool) -> None:
        self.count, self.now_s, self.serial, self.ordinal = Workload(0, ordinal), 0.0, 0, ordinal
        self.pods: dict[str, PodState] = {}
        self.loads: dict[str, int] = {}

    def step(self, want: PoolTarget) -> Plan:
        self.now_s += 5
        made = plan(self.count, list(self.pods.values()), want, self.now_s, RULES, self.loads)
        for change in made.changes:
            self._change(change)
        for name in made.sleep:
            assert self.loads[name] == 0 and self.pods[name].rotation is Rotation.OUT
            self.pods[name] = replace(self.pods[name], asleep=True)
        for name in made.wake:
            self.pods[name] = replace(self.pods[name], asleep=False)
        for name in made.evict:
            self._remove(name)
        self._scale(made.replicas)
        return made

    def _change(self, change: Change) -> None:
        known = self.pods[change.pod]
        moved = self.now_s if change.goal or change.rotation else known.moved_s
        told = replace(known, goal=change.goal or known.goal, rotation=change.rotation or known.rotation, moved_s=moved)
        cost = 0 if change.drop_cost else known.cost if change.cost is None else change.cost
        self.pods[change.pod] = replace(told, cost=cost, our_cost=cost < 0)
        if told.rotation is not Rotation.IN:
            self.loads[change.pod] = 0

    def _scale(self, replicas: int) -> None:
        for gone in removed(list(self.pods.values()), max(0, len(self.pods) - replicas), (), self.ordinal):
            self._remove(gone.name)
        for name, known in self.pods.items():
            if not known.ready:
                self.pods[name] = replace(known, situation=Situation.READY, served=True, ready_s=self.now_s)
                self.loads[name] = 3 if known.rotation is Rotation.IN else 0
        for number in range(replicas):
            if len(self.pods) >= replicas:
                break
            self.serial += 1
            name = f"p{number}" if self.ordinal else f"p{self.serial}"
            if name not in self.pods:
                self.pods[name] = replace(NEW, name=name, uid=name, created_s=self.now_s, ordinal=number)
                self.loads[name] = 0
        self.count = replace(self.count, replicas=replicas)

    def _remove(self, name: str) -> None:
        gone = self.pods.pop(name)
        assert not self.loads.pop(name), f"{name} had requests"
        assert gone.rotation is not Rotation.IN or not gone.served, f"{name} was in rotation"

    def tiers(self) -> dict[Tier, int]:
        arrived = [p for p in self.pods.values() if p.ready and p.goal is not Tier.COLD]
        return {tier: sum(p.goal is tier for p in arrived) for tier in (Tier.ACTIVE, Tier.STANDBY, Tier.ASLEEP)}


counts = st.integers(0, 4)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(counts, counts, counts, st.integers(1, 4)), min_size=1, max_size=4), st.booleans())
def test_whatever_the_targets_the_last_is_reached_and_nobody_with_requests_goes(
    targets: list[tuple[int, int, int, int]], ordinal: bool
) -> None:
    world = World(ordinal)
    for active, standby, asleep, steps in targets:
        want = target(active, standby=standby, asleep=asleep)
        for _ in range(steps):
            world.step(want)
    for _ in range(60):
        made = world.step(want)
    assert made == Plan(sum((want.active, want.standby, want.asleep)))
    assert list(world.tiers().values()) == [want.active, want.standby, want.asleep]
    assert all((p.rotation is Rotation.IN) is (p.goal is Tier.ACTIVE) for p in world.pods.values())
