"""What the router knows of one replica: how fast it is, and what it has been sent that has not ended.

Every number is the router's own account, so it is exact the moment a request is sent; a scrape would be seconds old,
and every arrival between two scrapes would go where the last one went. What reaches a replica by another way is not
seen.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field

from runtime.pool import Pool

BLOCK_TOKENS = 64
"""Tokens of one block of a prompt, in which prefixes are remembered and compared."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as a policy sees it: its prompt in tokens, the most it may write (None where it does not say), and
    whom it belongs to. ``session`` and ``prefix`` are 0 for nobody; ``blocks`` are the prompt's first blocks, each
    number standing for everything up to its end.
    """

    input_tokens: int
    most_output_tokens: int | None = None
    session: int = 0
    prefix: int = 0
    blocks: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Speed:
    """A replica's step-time law in seconds (DESIGN 4) and its sizes in tokens; ``block`` are those of one KV block."""

    a: float
    b: float
    k: float
    p: float
    budget: int
    block: int
    kv_tokens: int

    @classmethod
    def of(cls, pool: Pool) -> Speed:
        """The law of a pool; vLLM keeps one KV block for itself."""
        step = pool.step
        law = (step.a_ms / 1e3, step.b_ms_per_seq / 1e3, step.k_ms_per_1k_kv_tokens / 1e6)
        sizes = (pool.max_batched_tokens, pool.block_tokens, (pool.kv_blocks - 1) * pool.block_tokens)
        return cls(*law, step.p_ms_per_1k_prefill_tokens / 1e6, *sizes)


@dataclass(slots=True)
class Cached:
    """Blocks that a replica has probably in its prefix cache: those it was sent last, at most so many."""

    most: int
    blocks: OrderedDict[int, None] = field(default_factory=OrderedDict)

    def tokens(self, asked: Asked) -> int:
        """How much of a prompt's beginning is there; the last token is computed in any case."""
        found = 0
        for block in asked.blocks:
            if block not in self.blocks:
                break
            found += BLOCK_TOKENS
        return min(found, max(0, asked.input_tokens - 1))

    def add(self, asked: Asked) -> None:
        """These are the newest now, the beginning of the prompt before its end."""
        for block in reversed(asked.blocks):
            self.blocks[block] = None
            self.blocks.move_to_end(block)
        while len(self.blocks) > self.most:
            self.blocks.popitem(last=False)


@dataclass(slots=True)
class Load:
    """The account of one replica; tokens unless a name says otherwise.

    A request is ``waiting`` until its first token and ``running`` from then on. ``unprefilled`` are prompts before
    their first token, less what is cached of them; ``kv_tokens`` the context of what runs; ``in_flight_tokens`` the
    prompts of everything with what each is expected to write. ``strict`` is an engine that refuses to be asked for
    token ids. ``written_tokens``, ``ended``, ``released_tokens`` and ``busy_s`` are totals.
    """

    name: str
    base_url: str
    speed: Speed
    cached: Cached
    key: int = 0
    pool: str = ""
    running: int = 0
    waiting: int = 0
    unprefilled: int = 0
    kv_tokens: int = 0
    in_flight_tokens: int = 0
    written_tokens: int = 0
    ended: int = 0
    released_tokens: int = 0
    busy_s: float = 0.0
    busy_since_s: float = 0.0
    failures: int = 0
    out_until_s: float = 0.0
    strict: bool = False

    @classmethod
    def of(cls, name: str, base_url: str, pool: Pool) -> Load:
        """An idle replica of a pool."""
        speed = Speed.of(pool)
        return cls(name, base_url, speed, Cached(speed.kv_tokens // BLOCK_TOKENS), number(name), pool.name)

    @property
    def requests(self) -> int:
        """Requests sent to it that have not ended."""
        return self.running + self.waiting

    def has_room(self, most: float, now_s: float) -> bool:
        """Whether it takes one more, fewer than ``most`` being there."""
        return self.running + self.waiting < most and self.out_until_s <= now_s

    @property
    def output_tokens(self) -> float:
        """What a request here is expected to write: the mean so far."""
        return self.written_tokens / max(1, self.ended)


def number(text: str | bytes) -> int:
    """A number from 1 to 2^63 that stands for a text, the same in every process."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    return 1 + (int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big") >> 1)
