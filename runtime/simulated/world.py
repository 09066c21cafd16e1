"""A simulated fleet in virtual time: requests come, are served and billed.

``run_until`` is the only thing that makes time pass, so the same world runs live behind HTTP, paced by a clock, or as
fast as it can. Between two moments at which a replica changes its state, the kernel runs all engines by itself.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from runtime.fleet import PoolTarget
from runtime.rack import Rack
from runtime.replica import Replica, Tier, Transition
from runtime.simulated import routers
from runtime.simulated.dispatch import advance_all, dispatch, least_requests, refresh
from runtime.simulated.gpus import FATAL_XIDS
from runtime.simulated.kernel import advance, enqueue
from runtime.simulated.outcomes import Outcomes
from runtime.simulated.racks import SimulatedRack
from runtime.simulated.replicas import Replicas, SimulatedReplica, SimulatedService
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

SLICE_S = 1.0
"""Longest stretch between two looks at drains and held requests, virtual seconds, unless a world is told otherwise."""

FIRST_SLOTS = 1 << 16


@dataclass(slots=True)
class Account:
    """What a service has used: GPU-seconds (all, and outside rotation), dollars, replica-seconds in rotation, moves."""

    gpu_s: float = 0.0
    spare_gpu_s: float = 0.0
    cost_usd: float = 0.0
    active_s: float = 0.0
    scale_ups: int = 0
    scale_downs: int = 0


class World:
    """The fleet and what flows through it; ``seed`` fixes every draw.

    Replicas of unlike hardware want a ``router`` that knows how fast each is, such as "weighted". Raises ValueError for
    an unknown router, and for services that their racks cannot take.
    """

    def __init__(
        self,
        services: Sequence[SimulatedService],
        workload: Workload,
        seed: int = 0,
        launch_failure: float = 0.0,
        racks: Sequence[Rack] = (),
        router: str = "least-requests",
    ) -> None:
        self.services = tuple(services)
        self.workload = workload
        self.now_s = workload.start_s
        self.slice_s = SLICE_S
        self.dark_until_s = -math.inf
        """Until then nobody can read any metric."""
        rows = sum(service.max_replicas * len(service.pools) for service in services) + 8
        pools = [pool for service in services for pool in service.pools]
        self.slots = Slots()
        seqs, blocks = max(pool.max_num_seqs for pool in pools), max(pool.kv_blocks for pool in pools)
        self.slots.attach(new_state(rows, FIRST_SLOTS, seqs, blocks))
        rng = np.random.default_rng(seed)
        self.replicas = Replicas(self.services, self.state, rng, launch_failure, self.now_s, racks)
        self.accounts = [Account() for _ in services]
        self.outcomes = [Outcomes(service.target) for service in services]
        self.held: list[deque[int]] = [deque() for _ in services]
        self.arrived = [0 for _ in services]
        self.watched: set[int] = set()
        self._index = {service.name: i for i, service in enumerate(services)}
        self._router = routers.router(router)
        # Turns are the only chance that routers have; who only breaks ties by them needs none.
        self._turn = np.full(len(services), seed << 32 if self._router != routers.LEAST_REQUESTS else 0, np.int64)
        self._of_workload = np.array([self._index[name] for name in workload.services], np.int32)

    @property
    def state(self) -> EngineState:
        """The arrays of all engines; request arrays are replaced when they grow, so read this again."""
        return self.slots.state

    @property
    def racks(self) -> Mapping[str, SimulatedRack]:
        """GPUs that services share, by the name of their rack, with what was held, used and lent so far."""
        return self.replicas.racks

    @property
    def finished(self) -> bool:
        """The workload has ended and every request with it."""
        end_s = self.workload.end_s
        return end_s is not None and self.now_s >= end_s and self.slots.in_use == 0

    # --- time ----------------------------------------------------------------------------------------------------

    def run_until(self, until_s: float) -> None:
        """Let time pass: requests arrive and are served, transitions end, drains finish, GPUs are billed."""
        while self.now_s < until_s:
            to_s = min(until_s, max(self.replicas.next_change_s(), self.now_s), self.now_s + self.slice_s)
            self._serve(to_s)
            self._bill(to_s - self.now_s)
            self.now_s = to_s
            for replica in self.replicas.overdue(to_s):
                self._lose_requests(replica)
            self.replicas.settle(to_s)
            self._release_held()

    def _serve(self, to_s: float) -> None:
        arrivals = self.workload.arrivals(self.now_s, to_s)
        if len(arrivals):
            services = self._of_workload[arrivals.service]
            taken = self.slots.take(arrivals.arrival_s, arrivals.input_tokens, arrivals.output_tokens, services)
            if arrivals.prefix is not None and arrivals.prefix_tokens is not None:
                self.state.requests["prefix"][taken] = arrivals.prefix
                self.state.requests["prefix_tokens"][taken] = arrivals.prefix_tokens
            rotation = self.replicas.rotation
            dispatch(self.state, taken, rotation.rows, rotation.counts, self._turn, self._router)
            for i, count in enumerate(np.bincount(services, minlength=len(self.services)).tolist()):
                self.arrived[i] += count
            for slot in taken[self.state.requests["status"][taken] == HELD].tolist():
                self.held[self.state.requests["service"][slot]].append(slot)
        advance_all(self.state, self.replicas.rows(), to_s)
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
        if self.watched:
            ended = np.array([slot for slot in ended.tolist() if slot not in self.watched], np.int64)
        self.slots.give_back(ended)

    def _bill(self, elapsed_s: float) -> None:
        for replica in self.replicas.by_name.values():
            if not replica.gpus:
                continue
            lane, account = replica.lane, self.accounts[replica.service]
            gpu_s = elapsed_s * lane.pool.gpus_per_replica
            account.gpu_s += gpu_s
            if replica.tier is not Tier.ACTIVE and replica.transition is not Transition.DRAINING:
                account.spare_gpu_s += gpu_s
            # Whoever shares the GPUs of a spare tier can do so only once the replica has arrived there.
            cost_usd = lane.holding_usd(Tier.ACTIVE if replica.transition is not None else replica.tier, elapsed_s)
            account.cost_usd += cost_usd
            lane.gpu_s, lane.cost_usd = lane.gpu_s + gpu_s, lane.cost_usd + cost_usd
            account.active_s += elapsed_s * replica.serving
        for rack in self.racks.values():
            rack.bill(elapsed_s)

    # --- requests from outside -----------------------------------------------------------------------------------

    def submit(self, service: str, input_tokens: int, output_tokens: int, replica: str | None = None) -> int:
        """A request from a client, now; to one replica or to whichever has the fewest.

        Gives its slot, which stays readable until ``forget``. Raises KeyError for an unknown service or replica.
        """
        index = self._index[service]
        called = self.replicas.by_name[replica].row if replica else None
        slot = self.slots.take_one(self.now_s, input_tokens, output_tokens, index)
        row = self._pick(index, slot) if called is None else called
        self.watched.add(slot)
        self.arrived[index] += 1
        if row < 0:
            self.state.requests[slot]["status"] = HELD
            self.held[index].append(slot)
        else:
            self._enqueue(row, slot)
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
            self._collect()
        else:
            request["reason"] = REASON_ABORT
            self.state.replicas[request["replica"]]["aborting"] += 1

    def _pick(self, service: int, slot: int) -> int:
        rows, count = self.replicas.rotation.rows[service], int(self.replicas.rotation.counts[service])
        if count == 0:
            return -1
        self._turn[service] += 1
        turn = int(self._turn[service])
        if self._router == routers.LEAST_REQUESTS:
            return int(least_requests(self.state, rows, count, self.now_s, turn))
        refresh(self.state, rows, count, self.now_s, int(routers.SEES[self._router]))
        return int(routers.choose(self._router, self.state, rows, count, slot, turn))

    def _enqueue(self, row: int, slot: int) -> None:
        advance(self.state, row, self.now_s)
        enqueue(self.state, row, slot, self.now_s)

    def _refuse(self, slot: int) -> None:
        request = self.state.requests[slot]
        self.held[request["service"]].remove(slot)
        request["status"], request["reason"], request["finish"] = DONE, REASON_REJECTED, self.now_s
        self.slots.mark_ended(slot)

    def _release_held(self) -> None:
        """Requests that found no replica go to the first that comes, or are turned away when their time is up."""
        for i, line in enumerate(self.held):
            while line and self.replicas.rotation.counts[i] > 0:
                slot = line.popleft()
                self._enqueue(self._pick(i, slot), slot)
            timeout_s = self.services[i].hold_timeout_s
            while line and self.state.requests[line[0]]["arrival"] < self.now_s - timeout_s:
                self._refuse(line[0])
        self._collect()

    # --- the fleet -----------------------------------------------------------------------------------------------

    def set_targets(self, targets: Iterable[PoolTarget]) -> None:
        """New targets per pool; raises as ``Replicas.set_targets`` does, and then changes nothing."""
        targets = list(targets)
        before = {lane: lane.target.active for lane in self.replicas.lanes}
        self.replicas.set_targets(targets, self.now_s)
        for target in targets:
            account, lane = self.accounts[self._index[target.service]], self.replicas.lane(target.service, target.pool)
            account.scale_ups += target.active > before[lane]
            account.scale_downs += target.active < before[lane]

    def set_rack(self, name: str, gpus: int) -> None:
        """How many GPUs a rack should hold. More arrive together after a lead time; of fewer, orders are cancelled
        first, then idle GPUs are given back at once and busy ones as they become idle: nothing is aborted.

        Raises KeyError for an unknown rack, ValueError for fewer than none or more than its ``max_gpus``.
        """
        self.replicas.set_rack(name, gpus, self.now_s)

    def sold_out(self, pool: str, until_s: float) -> None:
        """Until then no launch of a pool gets GPUs: it is ``launching``, on no node, free of charge, and its lead time
        begins afterwards. Raises KeyError for an unknown pool, ValueError for one that is in a rack.
        """
        self.replicas.sold_out(pool, until_s, self.now_s)

    def blackout(self, until_s: float) -> None:
        """Until then no metric can be read; requests are served all the same."""
        self.dark_until_s = until_s

    def sell_out(self, pool: str, sold_out: bool = True) -> None:
        """``sold_out`` until further notice, or no longer."""
        self.sold_out(pool, math.inf if sold_out else self.now_s)

    def reclaim(self, pool: str, replicas: int | None = None, notice_s: float = 120.0) -> None:
        """The provider takes back that many replicas of a spot pool, drawn, or all: they take no new request, and what
        still runs there when the notice is over is lost. Whatever the targets lack then is launched anew, so say before
        if the pool is sold out. Raises as ``sold_out`` does, and ValueError for a pool that is not spot.
        """
        self.replicas.reclaim(pool, replicas, notice_s, self.now_s)

    def fail_gpu(self, uuid: str, kind: str, xid: int = 79) -> None:
        """Break a GPU: ``xid``, ``ecc`` or ``heat``. A fatal fault kills the replica on it, and its requests are lost.

        Raises KeyError for an unknown GPU.
        """
        gpu = self.replicas.gpu(uuid)
        gpu.fault = kind
        if kind == "heat":
            return
        gpu.xid = 48 if kind == "ecc" else xid
        gpu.ecc_double_bit += kind == "ecc"
        replica = self.replicas.by_name.get(gpu.replica or "")
        if replica is not None and gpu.xid in FATAL_XIDS:
            self._lose(replica)

    def _lose(self, replica: SimulatedReplica) -> None:
        self._lose_requests(replica)
        self.replicas.fail(replica, self.now_s)
        self._collect()

    def _lose_requests(self, replica: SimulatedReplica) -> None:
        """All that its engine has is lost, and the engine is as new; whoever calls collects what ended."""
        requests = self.state.requests
        in_engine = np.isin(requests["status"], (WAITING, PREFILL, DECODE))
        for slot in np.flatnonzero((requests["replica"] == replica.row) & in_engine).tolist():
            requests[slot]["status"], requests[slot]["finish"] = DONE, self.now_s
            if requests[slot]["reason"] != REASON_ABORT:
                requests[slot]["reason"] = REASON_LOST
            self.slots.mark_ended(slot)
        install(self.state, replica.row, replica.pool, self.now_s)

    def heal_gpu(self, uuid: str) -> None:
        """Repair a GPU; whoever waited for one may start. Raises KeyError for an unknown one."""
        self.replicas.gpu(uuid).fault = None
        self.replicas.reconcile(self.now_s)

    def view(self, base_url: str) -> list[Replica]:
        """Every replica, as a fleet reports it."""
        return [
            Replica(
                name=r.name,
                service=self.services[r.service].name,
                pool=r.pool.name,
                tier=r.tier,
                transition=r.transition,
                since_s=r.since_s,
                base_url=f"{base_url}/replicas/{r.name}",
                node=r.gpus[0].node if r.gpus else "",
                gpus=tuple(g.uuid for g in r.gpus),
            )
            for r in self.replicas.by_name.values()
        ]
