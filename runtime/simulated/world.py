"""A simulated fleet: services, their replicas and GPUs, and the requests that flow through them, on virtual time.

``run_until`` is the only thing that makes time pass, so the same world runs live behind HTTP, paced by a clock, or
as fast as it can. Between two moments at which a replica changes its state, the kernel runs all engines by itself.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from runtime.fleet import LeadTimeSample, PoolTarget
from runtime.pool import LeadTime, Pool
from runtime.replica import Replica, Tier, Transition
from runtime.simulated.dispatch import advance_all, dispatch, least_requests
from runtime.simulated.gpus import FATAL_XIDS, GPUS_PER_NODE, Gpu, Inventory
from runtime.simulated.kernel import advance, enqueue
from runtime.simulated.lifecycle import Member, Move, Verb, reconcile
from runtime.simulated.outcomes import LatencyTarget, Outcomes
from runtime.simulated.slots import Slots
from runtime.simulated.state import (
    DECODE,
    DONE,
    HELD,
    PREFILL,
    REASON_ABORT,
    REASON_LOST,
    REASON_REJECTED,
    WAITING,
    EngineState,
    install,
    new_state,
)
from runtime.simulated.workload import Workload

FALL_ASLEEP_S = 3.0
"""Seconds to put weights into host memory (reference: 2.8 s for a 30B model on one A100)."""

FAILURE_SEEN_S = 10.0
"""Seconds until a dead engine is replaced: a few failed probes."""

SLICE_S = 1.0
"""Longest stretch between two looks at drains and held requests, virtual seconds."""

LEAD_TIME_SAMPLES = 1000


@dataclass(frozen=True, slots=True)
class SimulatedService:
    """A service as the simulation needs it: its pool, its promise, and how it starts."""

    name: str
    pool: Pool
    target: LatencyTarget
    initial_active: int
    max_replicas: int
    hold_timeout_s: float = 60.0


@dataclass(slots=True)
class SimulatedReplica:
    """A replica and its row in the engine state; its transition began in ``origin`` and ends at ``ready_at_s``."""

    name: str
    service: int
    row: int
    tier: Tier
    transition: Transition | None
    since_s: float
    gpus: list[Gpu]
    created_s: float
    ready_at_s: float = math.inf
    origin: Tier = Tier.COLD


@dataclass(slots=True)
class Account:
    """What a service has used: GPU-seconds (all, and outside rotation), dollars, replica-seconds in rotation, moves."""

    gpu_s: float = 0.0
    spare_gpu_s: float = 0.0
    cost_usd: float = 0.0
    active_s: float = 0.0
    scale_ups: int = 0
    scale_downs: int = 0


@dataclass
class World:
    """The fleet. ``launch_failure`` is the probability that a start fails; ``seed`` fixes every draw."""

    services: Sequence[SimulatedService]
    workload: Workload
    seed: int = 0
    launch_failure: float = 0.0
    now_s: float = field(init=False)
    replicas: dict[str, SimulatedReplica] = field(init=False, default_factory=dict)
    targets: dict[str, PoolTarget] = field(init=False, default_factory=dict)
    accounts: list[Account] = field(init=False)
    outcomes: list[Outcomes] = field(init=False)
    held: list[deque[int]] = field(init=False)
    arrived: list[int] = field(init=False)
    lead_times: deque[LeadTimeSample] = field(init=False)
    inventories: list[Inventory] = field(init=False)
    state: EngineState = field(init=False)
    slots: Slots = field(init=False)
    watched: set[int] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        self.now_s = self.workload.start_s
        self._rng = np.random.default_rng(self.seed)
        rows = sum(s.max_replicas for s in self.services) + 8
        self.slots = Slots()
        self.state = self.slots.attach(new_state(rows, 1 << 16, max(s.pool.max_num_seqs for s in self.services)))
        self._free_rows = list(range(rows - 1, -1, -1))
        self._serial = 0
        self.accounts = [Account() for _ in self.services]
        self.outcomes = [Outcomes(s.target) for s in self.services]
        self.held = [deque() for _ in self.services]
        self.arrived = [0 for _ in self.services]
        self.lead_times = deque(maxlen=LEAD_TIME_SAMPLES)
        self.inventories = [
            Inventory(s.pool, 1 + math.ceil(s.max_replicas * s.pool.gpus_per_replica / GPUS_PER_NODE))
            for s in self.services
        ]
        self._index = {s.name: i for i, s in enumerate(self.services)}
        self._rows = np.zeros((len(self.services), rows), np.int64)
        self._counts = np.zeros(len(self.services), np.int64)
        self._turn = np.zeros(len(self.services), np.int64)
        self._of_workload = np.array([self._index[name] for name in self.workload.services], np.int32)
        for i, service in enumerate(self.services):
            self.targets[service.name] = PoolTarget(service.name, service.pool.name, service.initial_active)
            for _ in range(service.initial_active):
                self._launch(i, Tier.ACTIVE, at_once=True)
        self._refresh_rotation()

    # --- time ---------------------------------------------------------------------------------------------------------

    @property
    def finished(self) -> bool:
        """The workload has ended and every request with it."""
        end_s = self.workload.end_s
        return end_s is not None and self.now_s >= end_s and self.slots.in_use == 0

    def run_until(self, until_s: float) -> None:
        """Let time pass: requests arrive and are served, transitions end, drains finish, GPUs are billed."""
        while self.now_s < until_s:
            next_change = min((r.ready_at_s for r in self.replicas.values()), default=math.inf)
            to_s = min(until_s, max(next_change, self.now_s), self.now_s + SLICE_S)
            self._serve(to_s)
            self._bill(to_s - self.now_s)
            self.now_s = to_s
            if self._end_transitions() | self._end_drains():
                self._refresh_rotation()
                self._reconcile_all()
            self._release_held()

    def _serve(self, to_s: float) -> None:
        arrivals = self.workload.arrivals(self.now_s, to_s)
        if len(arrivals.arrival_s):
            services = self._of_workload[arrivals.service]
            taken = self.slots.take(arrivals.arrival_s, arrivals.input_tokens, arrivals.output_tokens, services)
            self.state = self.slots.state
            dispatch(self.state, taken, self._rows, self._counts, self._turn)
            for i, count in enumerate(np.bincount(services, minlength=len(self.services)).tolist()):
                self.arrived[i] += count
            for slot in taken[self.state.requests["status"][taken] == HELD]:
                self.held[self.state.requests["service"][slot]].append(int(slot))
        advance_all(self.state, self._occupied_rows(), to_s)
        self._collect()

    def _collect(self) -> None:
        """Take in what ended; slots that a caller watches stay until it lets go."""
        ended = self.slots.ended()
        if not len(ended):
            return
        records = self.state.requests[ended]
        for i, outcome in enumerate(self.outcomes):
            of_service = records[records["service"] == i]
            refused = of_service["reason"] == REASON_REJECTED
            outcome.reject(int(refused.sum()))
            if not refused.all():
                outcome.add(of_service[~refused])
        self.slots.give_back(slot for slot in ended.tolist() if slot not in self.watched)

    def _bill(self, elapsed_s: float) -> None:
        for replica in self.replicas.values():
            service = self.services[replica.service]
            account = self.accounts[replica.service]
            account.gpu_s += elapsed_s * service.pool.gpus_per_replica
            serving = replica.tier is Tier.ACTIVE or replica.transition is Transition.DRAINING
            if not serving:
                account.spare_gpu_s += elapsed_s * service.pool.gpus_per_replica
            tier = Tier.ACTIVE if replica.transition is not None else replica.tier
            account.cost_usd += elapsed_s / 3600 * service.pool.holding_usd_per_hour(tier)
            if replica.tier is Tier.ACTIVE and replica.transition is None:
                account.active_s += elapsed_s

    # --- requests from outside ----------------------------------------------------------------------------------------

    def submit(self, service: str, input_tokens: int, output_tokens: int, replica: str | None = None) -> int:
        """A request from a client, now; to one replica or to whichever has the fewest. Gives its slot, which stays
        readable until ``forget``."""
        index = self._index[service]
        slot = int(self.slots.take_one(self.now_s, input_tokens, output_tokens, index))
        self.state = self.slots.state
        self.watched.add(slot)
        self.arrived[index] += 1
        row = self.replicas[replica].row if replica else self._pick(index)
        if row < 0:
            self.state.requests[slot]["status"] = HELD
            self.held[index].append(slot)
        else:
            advance(self.state, row, self.now_s)
            enqueue(self.state, row, slot, self.now_s)
        return slot

    def forget(self, slot: int) -> None:
        """The client is done with a request; if it still runs, it is aborted."""
        self._collect()
        self.watched.discard(slot)
        request = self.state.requests[slot]
        if request["status"] == DONE:
            self.slots.give_back([slot])
        elif request["status"] == HELD:
            self._refuse(slot)
        else:
            self._abort(slot)

    def _pick(self, service: int) -> int:
        if self._counts[service] == 0:
            return -1
        self._turn[service] += 1
        turn = int(self._turn[service])
        return int(least_requests(self.state, self._rows[service], self._counts[service], self.now_s, turn))

    def _abort(self, slot: int) -> None:
        request = self.state.requests[slot]
        request["reason"] = REASON_ABORT
        row = int(request["replica"])
        self.state.replicas[row]["aborting"] += 1

    def _refuse(self, slot: int) -> None:
        request = self.state.requests[slot]
        self.held[request["service"]].remove(slot)
        request["status"], request["reason"], request["finish"] = DONE, REASON_REJECTED, self.now_s
        self.slots.mark_ended(slot)

    def _release_held(self) -> None:
        """Requests that found no replica go to the first that comes, or are turned away when their time is up."""
        for i, line in enumerate(self.held):
            while line and self._counts[i] > 0:
                slot = line.popleft()
                row = self._pick(i)
                advance(self.state, row, self.now_s)
                enqueue(self.state, row, slot, self.now_s)
            timeout_s = self.services[i].hold_timeout_s
            while line and self.state.requests[line[0]]["arrival"] < self.now_s - timeout_s:
                self._refuse(line[0])
        self._collect()

    # --- replicas -----------------------------------------------------------------------------------------------------

    def set_targets(self, targets: Iterable[PoolTarget]) -> None:
        """New targets per pool; raises KeyError for a service that does not exist."""
        for target in targets:
            if target.service not in self._index:
                raise KeyError(target.service)
            old = self.targets[target.service]
            account = self.accounts[self._index[target.service]]
            account.scale_ups += max(0, target.active - old.active) > 0
            account.scale_downs += max(0, old.active - target.active) > 0
            self.targets[target.service] = target
        self._reconcile_all()
        self._refresh_rotation()

    def _reconcile_all(self) -> None:
        for i, service in enumerate(self.services):
            members = [self._member(r) for r in self.replicas.values() if r.service == i]
            for move in reconcile(members, self.targets[service.name]):
                self._make(i, move)

    def _member(self, replica: SimulatedReplica) -> Member:
        engine = self.state.replicas[replica.row]
        load = int(engine["running"] + engine["waiting"])
        return Member(replica.name, replica.tier, replica.transition, replica.since_s, load)

    def _make(self, service: int, move: Move) -> None:
        if move.verb is Verb.LAUNCH:
            self._launch(service, move.to)
            return
        replica = self.replicas[str(move.member)]
        if move.verb is Verb.STOP:
            self._stop(replica)
        elif move.verb is Verb.RETARGET:
            replica.tier = move.to
        elif move.verb is Verb.DRAIN:
            self._set(replica, move.to, Transition.DRAINING)
        elif move.verb is Verb.SLEEP:
            self._set(replica, move.to, Transition.DRAINING, self.now_s + FALL_ASLEEP_S)
        elif replica.transition is Transition.DRAINING and replica.ready_at_s == math.inf:
            self._set(replica, Tier.ACTIVE, None)
        else:
            origin = replica.tier
            seconds = self._draw(self.services[service].pool, origin)
            self._set(replica, Tier.ACTIVE, Transition.WAKING, self.now_s + seconds)
            replica.origin, replica.created_s = origin, self.now_s

    def _set(
        self,
        replica: SimulatedReplica,
        tier: Tier,
        transition: Transition | None,
        ready_at_s: float = math.inf,
    ) -> None:
        replica.tier, replica.transition = tier, transition
        replica.since_s, replica.ready_at_s = self.now_s, ready_at_s

    def _launch(self, service: int, to: Tier, at_once: bool = False) -> None:
        """Start a replica, on a warm node if there is one; without free GPUs nothing starts yet."""
        if not self._free_rows:
            return
        warm = next((r for r in self.replicas.values() if r.service == service and r.tier is Tier.WARM_NODE), None)
        origin = Tier.COLD
        if warm is not None and to is not Tier.WARM_NODE:
            origin = Tier.WARM_NODE
            self._stop(warm)
        pool = self.services[service].pool
        self._serial += 1
        name = f"{self.services[service].name}-{self._serial:04d}"
        gpus = self.inventories[service].take(name)
        if not gpus:
            return
        row = self._free_rows.pop()
        install(self.state, row, pool, self.now_s)
        replica = SimulatedReplica(name, service, row, to, None, self.now_s, gpus, self.now_s, origin=origin)
        self.replicas[name] = replica
        if not at_once:
            seconds = 0.0 if to is Tier.WARM_NODE else self._draw(pool, origin)
            self._set(replica, to, Transition.LAUNCHING, self.now_s + seconds)

    def _stop(self, replica: SimulatedReplica) -> None:
        del self.replicas[replica.name]
        self.inventories[replica.service].release(replica.name)
        self._free_rows.append(replica.row)

    def _draw(self, pool: Pool, origin: Tier) -> float:
        """A lead time, lognormal through the pool's P50 and P90; raises ValueError where the pool has no such tier."""
        lead = pool.lead_times.get(origin) or _next_slower(pool, origin)
        if lead.p50_s <= 0:
            return 0.0
        sigma = math.log(max(lead.p90_s / lead.p50_s, 1.0)) / 1.2815515655446004
        return float(lead.p50_s * math.exp(sigma * self._rng.standard_normal()))

    def _end_transitions(self) -> bool:
        """Replicas whose time has come: ready, asleep, or failed to start."""
        due = [r for r in self.replicas.values() if r.ready_at_s <= self.now_s]
        for replica in due:
            launching = replica.transition is Transition.LAUNCHING
            if replica.transition is Transition.FAILED:
                continue
            if launching and self._rng.random() < self.launch_failure:
                self._set(replica, replica.tier, Transition.FAILED, self.now_s + FAILURE_SEEN_S)
                continue
            if replica.transition is not Transition.DRAINING and replica.tier is Tier.ACTIVE:
                pool = self.services[replica.service].pool.name
                taken_s = replica.ready_at_s - replica.created_s
                self.lead_times.append(LeadTimeSample(pool, replica.origin, taken_s, self.now_s))
            self._set(replica, replica.tier, None)
            if replica.tier is not Tier.WARM_NODE:
                engine = self.state.replicas[replica.row]
                engine["clock"] = max(float(engine["clock"]), self.now_s)
        return bool(due)

    def _end_drains(self) -> bool:
        empty = [
            r
            for r in self.replicas.values()
            if r.transition is Transition.DRAINING and r.ready_at_s == math.inf and self._member(r).load == 0
        ]
        for replica in empty:
            if replica.tier is Tier.COLD:
                self._stop(replica)
            elif replica.tier is Tier.ASLEEP:
                self._set(replica, Tier.ASLEEP, Transition.DRAINING, self.now_s + FALL_ASLEEP_S)
            else:
                self._set(replica, replica.tier, None)
        return bool(empty)

    def _refresh_rotation(self) -> None:
        self._counts[:] = 0
        for replica in self.replicas.values():
            if replica.tier is Tier.ACTIVE and replica.transition is None:
                self._rows[replica.service, self._counts[replica.service]] = replica.row
                self._counts[replica.service] += 1

    def _occupied_rows(self) -> npt.NDArray[np.int64]:
        return np.fromiter((r.row for r in self.replicas.values()), np.int64, len(self.replicas))

    def sleep(self, replica: SimulatedReplica) -> None:
        """Put an idle replica to sleep by hand; the target follows. Raises ValueError while it has requests."""
        load = self._member(replica).load
        if load:
            raise ValueError(f"{replica.name} has {load} requests; drain it first")
        self._move_by_hand(replica, Tier.ASLEEP)
        self._set(replica, Tier.ASLEEP, None)
        self._refresh_rotation()

    def wake(self, replica: SimulatedReplica) -> None:
        """Wake a sleeping replica by hand; the target follows."""
        if replica.tier is Tier.ASLEEP and replica.transition is None:
            self._move_by_hand(replica, Tier.ACTIVE)
            self._make(replica.service, Move(Verb.WAKE, replica.name, Tier.ACTIVE))

    def _move_by_hand(self, replica: SimulatedReplica, to: Tier) -> None:
        name = self.services[replica.service].name
        target, changes = self.targets[name], {replica.tier.value: -1, to.value: 1}
        moved = {tier: max(0, getattr(target, tier) + change) for tier, change in changes.items()}
        if replica.tier is not to:
            self.targets[name] = replace(target, **moved)

    def fail_gpu(self, uuid: str, kind: str, xid: int = 79) -> None:
        """Break a GPU: ``xid``, ``ecc`` or ``heat``. A fatal fault kills the replica on it, and its requests are lost.

        Raises KeyError for an unknown GPU.
        """
        gpu = self.gpu(uuid)
        gpu.fault = kind
        if kind == "heat":
            return
        gpu.xid = 48 if kind == "ecc" else xid
        gpu.ecc_double_bit += kind == "ecc"
        replica = self.replicas.get(gpu.replica or "")
        if replica is None or gpu.xid not in FATAL_XIDS:
            return
        self._set(replica, replica.tier, Transition.FAILED, self.now_s + FAILURE_SEEN_S)
        requests = self.state.requests
        in_engine = np.isin(requests["status"], (WAITING, PREFILL, DECODE))
        lost = np.flatnonzero((requests["replica"] == replica.row) & in_engine)
        requests["status"][lost], requests["reason"][lost] = DONE, REASON_LOST
        for slot in lost.tolist():
            self.slots.mark_ended(slot)
        install(self.state, replica.row, self.services[replica.service].pool, self.now_s)
        self._refresh_rotation()
        self._collect()

    def heal_gpu(self, uuid: str) -> None:
        """Repair a GPU. Raises KeyError for an unknown one."""
        self.gpu(uuid).fault = None

    def gpu(self, uuid: str) -> Gpu:
        """A GPU by its UUID."""
        for inventory in self.inventories:
            for gpu in inventory.gpus:
                if gpu.uuid == uuid:
                    return gpu
        raise KeyError(uuid)

    def view(self, base_url: str) -> list[Replica]:
        """Every replica, as a fleet reports it."""
        return [
            Replica(
                name=r.name,
                service=self.services[r.service].name,
                pool=self.services[r.service].pool.name,
                tier=r.tier,
                transition=r.transition,
                since_s=r.since_s,
                base_url=f"{base_url}/replicas/{r.name}",
                node=r.gpus[0].node,
                gpus=tuple(g.uuid for g in r.gpus),
            )
            for r in self.replicas.values()
        ]


def _next_slower(pool: Pool, origin: Tier) -> LeadTime:
    """The lead time of the nearest slower tier that the pool knows."""
    tiers = list(Tier)
    for tier in tiers[tiers.index(origin) :]:
        if tier in pool.lead_times:
            return pool.lead_times[tier]
    raise ValueError(f"pool {pool.name}: lead_times has neither {origin.value} nor a slower tier; give cold")
