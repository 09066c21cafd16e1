"""What an operator may set, by environment variables ``LEADTIME_SCHEDULER_…`` of the engine; checked at its start.

Variables and not vLLM's ``--additional-config``: that is part of the key of its compile cache, so every change would
cost a cold start. A wrong value or an unknown name ends the start with one line that says what would be right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from runtime.schedulers.arithmetic import Step

PREFIX = "LEADTIME_SCHEDULER_"


@dataclass(frozen=True, slots=True)
class Settings:
    """Each field is a variable of the same name in capitals."""

    ttft_s: float = 2.0
    """Target for the first token; who has waited twice as long goes before everybody else."""

    tpot_s: float = 0.05
    """Target for each further token; the adaptive prefill budget keeps a step within it."""

    step_ms: tuple[float, float, float, float] | None = None
    """The pool's a, b, k, p: ms per step, per sequence, per 1,000 KV tokens, per 1,000 prefill tokens."""

    percent: int = 50
    """Quantile of the output that memory is set aside for: of many together, some write more and some less."""

    full_percent: int = 95
    """Part of the KV cache that demands may fill before nobody else joins."""

    trust_max_tokens: bool = True
    """Whether a request's own ``max_tokens`` caps its prediction; it does bound what it can hold."""

    log_every_s: float = 10.0
    """How often a busy engine says in its log what the scheduler does; 0 for never."""

    @property
    def patience_s(self) -> float:
        """After so long a request is overdue."""
        return 2 * self.ttft_s

    @property
    def step(self) -> Step | None:
        """The pool's four numbers in seconds, per sequence and per token."""
        if self.step_ms is None:
            return None
        a, b, k, p = self.step_ms
        return Step(a / 1e3, b / 1e3, k / 1e6, p / 1e6)

    @property
    def prefill_s_per_token(self) -> float:
        """What ``AGEING`` is measured against; a 70B model on 2 H100 where no numbers are given."""
        return self.step.p if self.step else 68.7e-6


def read(environment: Mapping[str, str]) -> Settings:
    """The settings in an environment. Raises ValueError in one line that names variable, value and what is right."""
    given = {name.removeprefix(PREFIX): value for name, value in environment.items() if name.startswith(PREFIX)}
    known = {field.name.upper(): field.name for field in fields(Settings)}
    for name in given:
        if name not in known:
            raise ValueError(f"{PREFIX}{name} is not known; there are {', '.join(PREFIX + one for one in known)}")
    return Settings(**{known[name]: _value(name, text) for name, text in given.items()})  # type: ignore[arg-type]


def _value(name: str, text: str) -> float | int | bool | tuple[float, ...]:
    match name:
        case "STEP_MS":
            return _step(name, text)
        case "TRUST_MAX_TOKENS":
            if text not in ("0", "1"):
                raise _wrong(name, text, "0 or 1")
            return text == "1"
        case "PERCENT" | "FULL_PERCENT":
            if not text.isdecimal() or not 1 <= int(text) <= 100:
                raise _wrong(name, text, "a whole number from 1 to 100")
            return int(text)
    number = _number(name, text)
    if number < 0 or (number == 0 and name != "LOG_EVERY_S"):
        raise _wrong(name, text, "seconds, 0 or more" if name == "LOG_EVERY_S" else "seconds above 0")
    return number


def _step(name: str, text: str) -> tuple[float, ...]:
    numbers = tuple(_number(name, part) for part in text.split(","))
    if len(numbers) != 4 or min(numbers) < 0 or numbers[3] == 0:
        raise _wrong(name, text, "four numbers a,b,k,p of 0 or more with p above 0, as in 16.55,0.041,0.0581,68.7")
    return numbers


def _number(name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise _wrong(name, text, "a number") from None
    if number != number or number in (float("inf"), float("-inf")):
        raise _wrong(name, text, "a finite number")
    return number


def _wrong(name: str, text: str, right: str) -> ValueError:
    return ValueError(f"{PREFIX}{name}={text!r} should be {right}")
