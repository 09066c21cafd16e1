"""What somebody who may touch but some services sees of the fleet: those services, and nothing of any other.

Pure. Answers are made by the same code from a memory that holds no more, so that a figure which sums over services sums
over theirs. What is of the fleet as a whole (racks, GPUs over time, trouble) is left out, for it tells of others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import replace

from app.daemon.memory import Memory
from collectors.health import gpu_use
from collectors.observation import GpuSample


def narrowed(memory: Memory, services: Collection[str]) -> Memory:
    """The memory as if there were no other services; what it shares with the daemon is only told to, never changed."""
    own = {name: known for name, known in memory.services.items() if name in services}
    replicas = [replica for known in own.values() for replica in known.replicas]
    held = {gpu for replica in replicas for gpu in replica.gpus}
    nodes = {replica.node for replica in replicas}
    others = {
        gpu for name, known in memory.services.items() if name not in own for r in known.replicas for gpu in r.gpus
    }
    samples = tuple(_alone(gpu, others) for gpu in memory.gpu_samples if gpu.uuid in held)
    return replace(
        memory,
        services=own,
        racks={},
        gpus=gpu_use(samples, held) if memory.gpus else None,
        gpu_samples=samples,
        nodes=(),
        gaps=tuple(gap for gap in memory.gaps if gap.subject in nodes),
        agents={},
        trouble=None,
        recent={},
        tally=replace(memory.tally, decisions={}, cost_usd={}, fits=Counter()),
    )


def _alone(gpu: GpuSample, others: Collection[str]) -> GpuSample:
    """A GPU without its pod's name, which may be another's; where others share it, without what it does, too."""
    if gpu.uuid not in others:
        return replace(gpu, pod=None)
    return GpuSample(gpu.uuid, gpu.node, gpu.at_s, gpu.index, gpu.model, gpu.mig)
