"""The prefix cache of an engine: which prompts find the KV blocks of their beginning computed already.

vLLM finds blocks by a hash of all tokens up to their end. Here requests say whom they share their beginning with: those
of one ``prefix`` have their first ``prefix_tokens`` in common, each as many as it says, so that the blocks of a prefix
are its first, its second and so on, and numbers are enough. A request that joins the batch finds the first
``cached`` blocks of its prefix and computes the rest, its last token in any case; blocks of the prefix that it fills
are cached from the moment they are scheduled, as in vLLM. What two requests hold together is held once.

Blocks that nobody holds stay cached, count as free, and are evicted when no other block is free: first the prefix of
which blocks were let go in the earliest step (of one step, the lower key), and of that its last block. This is vLLM's
least recently used order for prefixes whose blocks are let go together. What a request has for itself (its tail, and
what it wrote) is not cached: a trace says that a later turn reads it by more ``prefix_tokens`` of the same prefix.
"""

from __future__ import annotations

from typing import Any

from runtime.simulated.jit import jit, jit_apart
from runtime.simulated.state import NO_GROUP, NO_SLOT, EngineState

# --- looking ---------------------------------------------------------------------------------------------------------


@jit
def sharing(s: EngineState, row: int, slot: int) -> int:
    """Full blocks of its prompt that a request has in common with its prefix, cached or not."""
    rep, req = s.replicas[row], s.requests[slot]
    if req.prefix == 0 or rep.prefix_caching == 0:
        return 0
    blocks: int = min(req.prefix_tokens, req.input) // rep.block
    return blocks


@jit
def find(s: EngineState, row: int, key: int) -> int:
    """The entry of a prefix, NO_GROUP where no block of it is cached."""
    group: int = s.chains[row, key % s.chains.shape[1]]
    while group != NO_GROUP and s.groups[row, group].key != key:
        group = s.groups[row, group].chain
    return group


@jit
def hits(s: EngineState, row: int, slot: int) -> int:
    """Cached blocks that a request would find if it joined now; its last token is computed in any case."""
    most = sharing(s, row, slot)
    if most == 0:
        return 0
    req = s.requests[slot]
    before_last = (req.input + req.generated - 1) // s.replicas[row].block
    found: int = min(most, before_last, s.groups[row, find(s, row, req.prefix)].cached)
    return found


@jit
def idle(s: EngineState, row: int, slot: int, found: int) -> int:
    """How many of the blocks that it finds are held by nobody yet."""
    return max(0, found - s.groups[row, find(s, row, s.requests[slot].prefix)].pinned) if found > 0 else 0


# --- holding and letting go ------------------------------------------------------------------------------------------


@jit
def hold(s: EngineState, row: int, slot: int, found: int) -> None:
    """A request that joins holds the blocks that it found."""
    rep, req = s.replicas[row], s.requests[slot]
    req.shared = found
    if found == 0:
        return
    req.group = find(s, row, req.prefix)
    group = s.groups[row, req.group]
    group.users += 1
    if found < group.pinned:
        return
    if found == group.pinned:
        group.holders += 1
        return
    rep.used_blocks += found - group.pinned
    rep.evictable_blocks -= found - group.pinned
    group.pinned, group.holders = found, 1
    if group.pinned == group.cached:
        _unlink(s, row, req.group)


@jit
def extend(s: EngineState, row: int, slot: int, computed: int) -> None:
    """Blocks of its prefix that a request fills become cached, if those before them are and they are not."""
    rep, req = s.replicas[row], s.requests[slot]
    full = min(sharing(s, row, slot), computed // rep.block)
    if full <= req.shared:
        return
    if req.shared == 0:
        if find(s, row, req.prefix) != NO_GROUP:
            return
        req.group = _make(s, row, req.prefix)
        if req.group == NO_GROUP:
            return
        s.groups[row, req.group].users = 1
    group = s.groups[row, req.group]
    if group.cached == req.shared:
        group.cached = group.pinned = req.shared = full
        group.holders = 1


@jit
def let_go(s: EngineState, row: int, slot: int) -> None:
    """A request leaves the batch; what nobody else holds of its prefix may be evicted from now on."""
    req = s.requests[slot]
    if req.shared == 0:
        return
    group = s.groups[row, req.group]
    group.users -= 1
    if req.shared == group.pinned:
        group.holders -= 1
    req.shared = 0
    if group.holders == 0:
        _unpin(s, row, req.group)


@jit_apart
def _unpin(s: EngineState, row: int, group: int) -> None:
    """Nobody holds all that was pinned of a prefix: pin what its users hold."""
    rep, entry = s.replicas[row], s.groups[row, group]
    if entry.pinned < entry.cached:
        _unlink(s, row, group)
    most = 0
    slot = rep.run_head if entry.users > 0 else NO_SLOT
    while slot != NO_SLOT:
        req = s.requests[slot]
        if req.shared > 0 and req.group == group:
            entry.holders = 1 if req.shared > most else entry.holders + (req.shared == most)
            most = max(most, req.shared)
        slot = req.next
    rep.used_blocks -= entry.pinned - most
    rep.evictable_blocks += entry.pinned - most
    entry.pinned = most
    entry.released = rep.steps
    _link(s, row, group)


@jit_apart
def evict(s: EngineState, row: int) -> None:
    """Blocks were taken that had a prefix in them: it is cached no more."""
    rep = s.replicas[row]
    while rep.evictable_blocks > rep.usable_blocks - rep.used_blocks:
        group = rep.oldest_group
        entry = s.groups[row, group]
        gone = min(entry.cached - entry.pinned, rep.evictable_blocks - rep.usable_blocks + rep.used_blocks)
        entry.cached -= gone
        rep.evictable_blocks -= gone
        if entry.cached == entry.pinned:
            _unlink(s, row, group)
        if entry.cached == 0:
            _drop(s, row, group)


# --- the order of eviction: who let go first; of one step, by key -------------------------------------------------


@jit
def _later(one: Any, other: Any) -> bool:
    """Of two entries, the first let go last so far."""
    return bool(one.released == other.released and one.key > other.key)


@jit
def _link(s: EngineState, row: int, group: int) -> None:
    rep, entry = s.replicas[row], s.groups[row, group]
    older = rep.newest_group
    while older != NO_GROUP and _later(s.groups[row, older], entry):
        older = s.groups[row, older].older
    newer = rep.oldest_group if older == NO_GROUP else s.groups[row, older].newer
    entry.older, entry.newer = older, newer
    if older == NO_GROUP:
        rep.oldest_group = group
    else:
        s.groups[row, older].newer = group
    if newer == NO_GROUP:
        rep.newest_group = group
    else:
        s.groups[row, newer].older = group


@jit
def _unlink(s: EngineState, row: int, group: int) -> None:
    rep, entry = s.replicas[row], s.groups[row, group]
    if entry.older == NO_GROUP:
        rep.oldest_group = entry.newer
    else:
        s.groups[row, entry.older].newer = entry.newer
    if entry.newer == NO_GROUP:
        rep.newest_group = entry.older
    else:
        s.groups[row, entry.newer].older = entry.older


# --- entries, chained by hash -----------------------------------------------------------------------------------------


@jit_apart
def _make(s: EngineState, row: int, key: int) -> int:
    """A new entry, NO_GROUP where all are taken."""
    rep = s.replicas[row]
    group: int = rep.free_group
    if group != NO_GROUP:
        rep.free_group = s.groups[row, group].chain
    elif rep.groups_made + 1 < s.groups.shape[1]:
        rep.groups_made += 1
        group = rep.groups_made
    else:
        return NO_GROUP
    entry, at = s.groups[row, group], key % s.chains.shape[1]
    entry.key, entry.cached, entry.pinned, entry.holders = key, 0, 0, 0
    entry.chain = s.chains[row, at]
    s.chains[row, at] = group
    return group


@jit
def _drop(s: EngineState, row: int, group: int) -> None:
    """Give an entry back."""
    entry = s.groups[row, group]
    at = entry.key % s.chains.shape[1]
    if s.chains[row, at] == group:
        s.chains[row, at] = entry.chain
    else:
        before = s.chains[row, at]
        while s.groups[row, before].chain != group:
            before = s.groups[row, before].chain
        s.groups[row, before].chain = entry.chain
    entry.chain = s.replicas[row].free_group
    s.replicas[row].free_group = group
