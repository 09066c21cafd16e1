"""Prompts given as lists of block ids become one prefix key and one length each, for a cache that knows no more.

Requests form a tree: two are together as far as their leading blocks are equal. A cache that knows one (key, length)
per request sees of that tree a set of paths from the root: each key is one path, and a request's length is how far it
follows the path of its key. So two requests with one key share at least the lesser of their lengths, and nothing is
ever hit that would not be hit with the whole tree.

What is lost: a request that could be with two keys is with one. Every session under a common system prompt gets a key
of its own, for its growing context, and its first turn then finds nothing, not even the system prompt; requests that
share the system prompt and nothing else stay together. Which branches get a key is decided from the leaves up (heavy
paths) so that an unbounded cache loses few blocks. Turns of sessions that share nothing with each other lose nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """The blocks that two requests or more have in common; node 0 is the root, and the empty prompt.

    ``levels``: (first node, behind the last) of each depth from 1 on; ``parent`` and ``first`` (nodes,), the latter
    the first request to come by; ``end`` (n,) the last node of each request; ``true`` (n,) how many blocks of it came
    by before.
    """

    levels: list[tuple[int, int]]
    parent: Ints
    first: Ints
    end: Ints
    true: Ints


def groups(lengths: Ints, ids: Ints) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Prefix key (n,), from 1 on and 0 for none, and blocks of it (n,) that each request has.

    ``lengths`` (n,): how many blocks each request has; ``ids`` (sum of them,): the blocks of the first, the second, …
    """
    tree = grown(lengths, ids)
    own, joined, heavy = losses(tree)
    nodes = len(tree.parent)
    key, depth, on_path = np.zeros(nodes, np.int32), np.zeros(nodes, np.int32), np.ones(nodes, bool)
    keys = 0
    for level, (begin, behind) in enumerate(tree.levels, 1):
        here, parent = slice(begin, behind), tree.parent[begin:behind]
        new = on_path[parent] & ~heavy[here] & ((own[here] < joined[here]) | (level == 1))
        on_path[here] = new | (on_path[parent] & heavy[here])
        depth[here] = np.where(on_path[here], level, depth[parent])
        key[here] = np.where(new, keys + np.cumsum(new), key[parent])
        keys += int(new.sum())
    return key[tree.end], depth[tree.end]


def grown(lengths: Ints, ids: Ints) -> Tree:
    """The tree of shared blocks, level by level: a block that only one request has ends that request's path."""
    names, block = np.unique(ids, return_inverse=True)
    starts = np.cumsum(lengths) - lengths
    end, true = np.zeros(len(lengths), np.int64), np.zeros(len(lengths), np.int64)
    parents, firsts, nodes = [np.zeros(1, np.int64)], [np.zeros(1, np.int64)], 1
    levels: list[tuple[int, int]] = []
    live = np.flatnonzero(lengths > 0)
    while len(live):
        step = end[live] * max(1, len(names)) + block[starts[live] + len(levels)]
        _, at, place, count = np.unique(step, return_index=True, return_inverse=True, return_counts=True)
        shared = count > 1
        number: Ints = nodes - 1 + np.cumsum(shared, dtype=np.int64)
        parents.append(end[live[at[shared]]])
        firsts.append(live[at[shared]])
        before = shared[place] & (at[place] != np.arange(len(live)))
        true[live[before]] = len(levels) + 1
        live, reached = live[shared[place]], number[place[shared[place]]]
        end[live] = reached
        levels.append((nodes, nodes + int(shared.sum())))
        nodes = levels[-1][1]
        live = live[lengths[live] > len(levels)]
    return Tree(levels, np.concatenate(parents), np.concatenate(firsts), end, true)


def losses(tree: Tree) -> tuple[Ints, Ints, npt.NDArray[np.bool_]]:
    """Blocks that are not hit, for each node (nodes,), and whether its parent's key goes on through it.

    ``own``: lost if a new key begins for it, whose first request finds nothing; ``joined``: lost if all that pass the
    node are with the key of its parent, and part from it there.
    """
    nodes = len(tree.parent)
    count = np.bincount(tree.end, minlength=nodes)
    hits = np.bincount(tree.end, tree.true, nodes).astype(np.int64)
    own, joined = np.zeros(nodes, np.int64), np.zeros(nodes, np.int64)
    inner = np.zeros(nodes, np.int64)  # What is lost beyond a node if the key of its parent goes on through it.
    heavy = np.zeros(nodes, bool)
    for level, (begin, behind) in reversed(list(enumerate(tree.levels, 1))):
        here, parent = slice(begin, behind), tree.parent[begin:behind]
        found = tree.true[tree.first[here]]
        own[here] = inner[here] + found
        # All but the first to pass here would hit more than the level - 1 blocks that they have of the parent's key.
        joined[here] = hits[here] - found - (level - 1) * (count[here] - 1)
        light = np.minimum(own[here], joined[here])
        saved = light - inner[here]
        above = tree.levels[level - 2][0] if level > 1 else 0
        best = np.zeros(begin - above, np.int64)
        np.maximum.at(best, parent - above, saved)
        chosen = np.flatnonzero(saved == best[parent - above])
        _, one = np.unique(parent[chosen], return_index=True)
        heavy[begin + chosen[one]] = level > 1
        np.add.at(inner, parent, light)
        inner[above:begin] -= best
        np.add.at(count, parent, count[here])
        np.add.at(hits, parent, hits[here])
    return own, joined, heavy
