"""Which replica a request goes to: the ten policies of ``runtime.simulated.routers``, over the router's own account.

Pure. The arithmetic is the simulator's, term by term, and a test holds every choice equal on the same states; it is
written again because there it is compiled over arrays and here it is a few dozen objects and no numpy. ``turn``
counts the requests of the service and is all the chance there is. docs/router.md has the sources.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from runtime.router.load import Asked, Load

Choice = Callable[[Sequence[Load], Asked, int], Load]

GATE_REQUESTS, GATE_RATIO = 16, 1.5
"""SGLang's gate: affinity gives way where the home is ahead of the least loaded by both."""

USUAL_INPUT_TOKENS, USUAL_OUTPUT_TOKENS = 1000, 200

_MASK = (1 << 64) - 1


def draw(counter: int, stream: int) -> int:
    """A number from 0 to 2^63 - 1 for this counter (splitmix64); streams are independent of each other."""
    z = ((counter + 1) * 0x9E3779B97F4A7C15 + stream * 0xD1B54A32D192ED03) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return (z ^ (z >> 31)) >> 1


def home(key: int, loads: Sequence[Load]) -> Load:
    """Where a key belongs: rendezvous hashing, so that who comes or goes moves only the keys that it must."""
    return max(loads, key=lambda load: draw(key, load.key))


def from_turn(loads: Sequence[Load], turn: int) -> list[Load]:
    """All of them, beginning with whose turn it is."""
    start = turn % len(loads)
    return [*loads[start:], *loads[:start]]


def round_robin(loads: Sequence[Load], asked: Asked, turn: int) -> Load:
    """Each in its turn."""
    return loads[turn % len(loads)]


def random_choice(loads: Sequence[Load], asked: Asked, turn: int) -> Load:
    """Any, each as likely as the next."""
    return loads[draw(turn, 0) % len(loads)]


def power_of_two(loads: Sequence[Load], asked: Asked, turn: int) -> Load:
    """Of two different ones drawn at random, the one with fewer requests."""
    i, count = draw(turn, 0) % len(loads), len(loads)
    if count == 1:
        return loads[i]
    first, second = loads[i], loads[(i + 1 + draw(turn, 1) % (count - 1)) % count]
    return second if second.requests < first.requests else first


def least_requests(loads: Sequence[Load], asked: Asked, turn: int) -> Load:
    """The fewest requests, running and waiting; equal ones take turns."""
    return min(from_turn(loads, turn), key=lambda load: load.requests)


def least_tokens(loads: Sequence[Load], asked: Asked, turn: int) -> Load:
    """The fewest tokens in flight."""
    return min(from_turn(loads, turn), key=lambda load: load.in_flight_tokens)


def usual_work_s(load: Load) -> float:
    """Seconds of work that a request of usual size is there."""
    speed, context = load.speed, USUAL_INPUT_TOKENS + USUAL_OUTPUT_TOKENS / 2
    return speed.p * USUAL_INPUT_TOKENS + USUAL_OUTPUT_TOKENS * (speed.b + speed.k * context)


def weighted(loads: Sequence[Load], asked: Asked, turn: int) -> Load:
    """The least work after it, were every request a usual one: a replica twice as fast holds twice as many."""
    return min(from_turn(loads, turn), key=lambda load: (load.requests + 1) * usual_work_s(load))


def session_affinity(loads: Sequence[Load], asked: Asked, turn: int) -> Load:
    """The session's home; the fewest requests for who has no session."""
    return home(asked.session, loads) if asked.session else least_requests(loads, asked, turn)


def prefix_affinity(loads: Sequence[Load], asked: Asked, turn: int) -> Load:
    """The prefix's home unless that is overloaded, then the fewest requests."""
    least = least_requests(loads, asked, turn)
    if not asked.prefix:
        return least
    there = home(asked.prefix, loads)
    ahead = there.requests - least.requests > GATE_REQUESTS and there.requests > GATE_RATIO * least.requests
    return least if ahead else there


def uncached_tokens(load: Load, asked: Asked) -> int:
    """What would have to be prefilled there."""
    return asked.input_tokens - load.cached.tokens(asked)


def lmetric(loads: Sequence[Load], asked: Asked, turn: int) -> Load:
    """Tokens to prefill times requests in the batch, both with this one (arXiv 2603.15202)."""

    def score(load: Load) -> float:
        return (load.unprefilled + uncached_tokens(load, asked)) * float(load.requests + 1)

    return min(from_turn(loads, turn), key=score)


def compute_s(load: Load, tokens: int) -> float:
    """Seconds until a prompt of so many uncached tokens would be prefilled, behind what is already there."""
    speed, line = load.speed, load.unprefilled + tokens
    step_s = speed.a + speed.b * load.running + speed.k * load.kv_tokens
    return math.ceil(line / speed.budget) * step_s + speed.p * line


def wait_s(load: Load, tokens: int) -> float:
    """SAL's score: the longer of the waits for prefill and for KV memory, seconds.

    What waits will need its prompt and the mean output; memory comes back at the mean rate so far, one block a second
    before anything has ended.
    """
    line_s = compute_s(load, tokens)
    demand = load.unprefilled + tokens + load.output_tokens * (load.waiting + 1)
    short = demand - (load.speed.kv_tokens - load.kv_tokens)
    if short <= 0:
        return line_s
    rate = max(load.released_tokens / load.busy_s if load.busy_s > 0 else 0.0, float(load.speed.block))
    return max(line_s, short / rate)


def sal(loads: Sequence[Load], asked: Asked, turn: int) -> Load:
    """The shortest wait (arXiv 2410.17840); of equal ones that with fewer running."""
    return min(from_turn(loads, turn), key=lambda load: (wait_s(load, uncached_tokens(load, asked)), load.running))


POLICIES: dict[str, Choice] = {
    "least-requests": least_requests,
    "round-robin": round_robin,
    "random": random_choice,
    "power-of-two": power_of_two,
    "least-tokens": least_tokens,
    "weighted": weighted,
    "session-affinity": session_affinity,
    "prefix-affinity": prefix_affinity,
    "lmetric": lmetric,
    "sal": sal,
}
"""The simulator's names, in its order. Each chooses among one or more replicas."""
