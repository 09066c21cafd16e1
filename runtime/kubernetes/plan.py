"""From what is there and what is wanted to what is written: marks on pods, one count, maybe an eviction. Pure.

Which replica moves where is ``runtime.lifecycle``'s decision. This turns it into Kubernetes' terms: a move becomes a
goal on the pod, and every further step follows from goal and state alone, so that a plan made anew every few seconds,
by whoever leads then, goes on where the last one stopped. What is written already is not in the plan.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from runtime.fleet import PoolTarget
from runtime.kubernetes import victims
from runtime.kubernetes.marks import Change, Rotation
from runtime.kubernetes.pods import PodState, Situation, member
from runtime.lifecycle import Member, Verb, reconcile
from runtime.replica import Tier, Transition


@dataclass(frozen=True, slots=True)
class Workload:
    """The count that is asked for now; ``ordinal`` where pods are numbered and the highest goes first."""

    replicas: int
    ordinal: bool = False


@dataclass(frozen=True, slots=True)
class Budget:
    """A PodDisruptionBudget: which pods it covers, and how many ready ones may go now."""

    name: str
    covers: Callable[[Mapping[str, str]], bool]
    allowed: int


@dataclass(frozen=True, slots=True)
class Rules:
    """A pod out of rotation is believed to be empty no sooner than ``settle_s`` later, for routers and kube-proxy
    notice with a delay. One that has requests is waited for, and let go only after a ``drain_limit_s`` if there is one.
    """

    settle_s: float = 10.0
    drain_limit_s: float | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """Why something is not done now: a CamelCase reason and one line."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Plan:
    """``replicas`` is the count to be asked for. ``drains`` says that pods serving now are to leave, whose choice
    depends on their loads.
    """

    replicas: int
    changes: tuple[Change, ...] = ()
    evict: tuple[str, ...] = ()
    sleep: tuple[str, ...] = ()
    wake: tuple[str, ...] = ()
    holds: tuple[Hold, ...] = ()
    drains: bool = False


def plan(
    workload: Workload,
    pods: Sequence[PodState],
    target: PoolTarget,
    now_s: float,
    rules: Rules,
    loads: Mapping[str, int | None] | None = None,
    budgets: Sequence[Budget] = (),
) -> Plan:
    """The next steps towards the target. ``loads``: requests that a pod has; None or missing is not known, which is not
    idle. A pod on a lost node counts for nothing but keeps its place in the count until its controller gives it up.
    """
    here = [pod for pod in pods if pod.counted]
    lost = [pod for pod in here if pod.situation is Situation.NODE_LOST]
    alive = [pod for pod in here if pod.situation is not Situation.NODE_LOST]
    places = max(0, workload.replicas - len(lost))
    surplus = victims.order(alive)[: max(0, len(alive) - places)]
    pool = [pod for pod in alive if pod not in surplus]
    coming = max(0, places - len(alive))
    told = _goals(pool, coming, workload, target, now_s, loads or {})
    goals = {pod.name: told.pods[pod.name] for pod in pool if told.pods.get(pod.name, pod.goal) is not pod.goal}
    wanted = [replace(pod, goal=goals.get(pod.name, pod.goal)) for pod in pool]
    steps = {pod.name: _rotation(pod, now_s, rules, loads or {}) for pod in wanted}
    going = [pod for pod in wanted if pod.goal is Tier.COLD and _empty(pod, steps[pod.name])]
    unsettled = _unsettled(here, surplus)
    base = len(lost) + len(pool) + coming + told.more
    leave = _leave(workload, here, going, base, unsettled, budgets, target.avoid)
    changes = [_change(pod, goals, steps[pod.name], leave) for pod in wanted]
    return Plan(
        replicas=leave.replicas,
        changes=tuple(change for change in changes if not change.empty),
        evict=leave.evict,
        sleep=tuple(p.name for p in wanted if p.goal is Tier.ASLEEP and p.ready and not p.asleep and _is_out(p)),
        wake=tuple(p.name for p in wanted if p.goal in (Tier.ACTIVE, Tier.STANDBY) and p.ready and p.asleep),
        holds=leave.holds,
        drains=told.drains,
    )


@dataclass(frozen=True, slots=True)
class _Goals:
    """Where pods should be, and how many ``more`` (or fewer) are to be asked for. ``drains``: the choice was free."""

    pods: Mapping[str, Tier]
    more: int
    drains: bool = False


def _goals(
    pool: Sequence[PodState],
    coming: int,
    workload: Workload,
    target: PoolTarget,
    now_s: float,
    loads: Mapping[str, int | None],
) -> _Goals:
    """Goals of those that are there, beside those that the controller has been asked for and has not made yet."""
    if workload.ordinal:
        there = coming + sum(pod.name not in target.avoid for pod in pool)
        lacking = target.active + target.standby + target.asleep - there
        return _Goals(victims.by_number(pool, target), max(lacking, -coming))
    # An unknown load is taken as a heavy one: who cannot be asked is not chosen to go before who is known to be idle.
    members = [member(pod, 2**31 if (load := loads.get(pod.name, 0)) is None else load) for pod in pool]
    members += [Member(f"+{i}", Tier.ACTIVE, Transition.LAUNCHING, now_s) for i in range(coming)]
    moves = reconcile(members, replace(target, warm_node=0))
    goals = {move.member: move.to for move in moves if move.member is not None}
    launches = sum(move.verb is Verb.LAUNCH for move in moves)
    cancelled = sum(goals.get(f"+{i}") is Tier.COLD for i in range(coming))
    return _Goals(goals, launches - cancelled, any(move.verb is Verb.DRAIN for move in moves))


def _rotation(pod: PodState, now_s: float, rules: Rules, loads: Mapping[str, int | None]) -> Rotation | None:
    """What its label should say, if that is not what it says."""
    if pod.goal is Tier.ACTIVE:
        return None if pod.rotation is Rotation.IN or pod.asleep else Rotation.IN
    if pod.rotation is Rotation.IN:
        return Rotation.DRAINING if pod.served else Rotation.OUT
    if pod.rotation is Rotation.OUT:
        return None
    if pod.moved_s is None:  # since when is not known: from now on
        return Rotation.DRAINING
    return Rotation.OUT if _drained(pod, pod.moved_s, now_s, rules, loads) else None


def _drained(pod: PodState, moved_s: float, now_s: float, rules: Rules, loads: Mapping[str, int | None]) -> bool:
    if not pod.served:
        return True
    left_s = now_s - moved_s
    if rules.drain_limit_s is not None and left_s >= rules.drain_limit_s:
        return True
    return left_s >= rules.settle_s and loads.get(pod.name) == 0


def _empty(pod: PodState, step: Rotation | None) -> bool:
    """It has no requests, and gets none: what its label says already, not what it is about to say."""
    return pod.rotation is Rotation.OUT or (step is Rotation.OUT and not pod.served)


def _is_out(pod: PodState) -> bool:
    return pod.rotation is Rotation.OUT


def _unsettled(here: Sequence[PodState], surplus: Sequence[PodState]) -> str:
    """Why no count may go down now: deletion costs choose within one ReplicaSet, not among those of a rollout."""
    if len({pod.revision for pod in here}) > 1:
        return "RollingUpdate"
    return "NotSettled" if surplus else ""


@dataclass(frozen=True, slots=True)
class _Leave:
    """How the pods that are to go do: by count, the chosen with ``cost``, or evicted and replaced."""

    replicas: int
    chosen: tuple[str, ...] = ()
    cost: int | None = None
    evict: tuple[str, ...] = ()
    holds: tuple[Hold, ...] = ()


def _leave(
    workload: Workload,
    here: Sequence[PodState],
    going: Sequence[PodState],
    base: int,
    unsettled: str,
    budgets: Sequence[Budget],
    avoid: Sequence[str],
) -> _Leave:
    """``base`` is the count if nobody went. It goes down only if those that then go are those that were drained."""
    allowed, holds = _within(going, budgets)
    names = tuple(pod.name for pod in allowed)
    want = base - len(allowed)
    if want >= workload.replicas:
        in_place = tuple(name for name in names if name in avoid) if workload.ordinal else names
        return _Leave(base, holds=holds) if unsettled else _Leave(want, evict=in_place, holds=holds)
    if unsettled:
        hold = Hold(
            unsettled, f"{workload.replicas} to {want} replicas waits until as many pods are there as asked for"
        )
        return _Leave(workload.replicas, holds=(*holds, hold))
    gone = victims.removed(here, max(0, len(here) - want), names, workload.ordinal)
    wrong = [pod for pod in gone if pod.name not in names and pod.situation is not Situation.NODE_LOST]
    if wrong:
        forced = tuple(name for name in names if name in avoid) if workload.ordinal else names
        return _instead(workload, wrong[0], names, forced, holds)
    cost = None if workload.ordinal else victims.cost_below(here, names)
    if cost is None and not workload.ordinal and allowed:
        hold = Hold("DeletionCostContested", f"a pod that stays has deletion cost {victims.LEAST}, the lowest there is")
        return _Leave(workload.replicas, holds=(*holds, hold))
    return _Leave(want, names, cost, holds=holds)


def _instead(
    workload: Workload, other: PodState, names: tuple[str, ...], forced: tuple[str, ...], holds: tuple[Hold, ...]
) -> _Leave:
    """The controller would remove ``other``, which is to stay. Where that one can never start while those that go hold
    their GPUs, or those that go are no choice of its own, they are evicted and replaced; else it is waited for.
    """
    if forced and (other.situation is Situation.UNSCHEDULABLE or workload.ordinal):
        return _Leave(workload.replicas, evict=forced, holds=holds)
    hold = Hold("WrongVictim", f"{other.name} ({other.situation}) would go in place of {', '.join(names) or 'none'}")
    return _Leave(workload.replicas, holds=(*holds, hold))


def _within(going: Sequence[PodState], budgets: Sequence[Budget]) -> tuple[list[PodState], tuple[Hold, ...]]:
    """Those that disruption budgets let go now."""
    left = {budget.name: budget.allowed for budget in budgets}
    allowed, holds = [], []
    for pod in going:
        covering = [budget.name for budget in budgets if pod.ready and budget.covers(pod.labels)]
        spent = [name for name in covering if left[name] < 1]
        if spent:
            holds.append(Hold("DisruptionBudget", f"{pod.name} stays: {spent[0]} allows no disruption now"))
            continue
        for name in covering:
            left[name] -= 1
        allowed.append(pod)
    return allowed, tuple(holds)


def _change(pod: PodState, goals: Mapping[str, Tier], step: Rotation | None, leave: _Leave) -> Change:
    chosen = pod.name in leave.chosen and leave.cost is not None
    return Change(
        pod.name,
        goal=goals.get(pod.name),
        rotation=step,
        cost=leave.cost if chosen and not (pod.our_cost and pod.cost == leave.cost) else None,
        drop_cost=pod.our_cost and not chosen,
    )
