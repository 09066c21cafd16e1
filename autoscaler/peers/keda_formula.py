"""KEDA's scaling modifiers: one metric composed from several triggers by a formula.

The formula is written in the part of expr-lang that such formulas use: numbers, trigger names, arithmetic,
comparison, ``and or not``, ``? :``, ``??`` and a few functions. A trigger that keeps failing is nil in it; nil takes
no part in arithmetic. A formula that cannot be read or computed raises ``FormulaError`` with one line that says why.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from autoscaler.peers.keda_state import Fallback, Stand

Value = float | bool | None
Term = Callable[[Mapping[str, Value]], Value]


class FormulaError(Exception):
    """A formula that cannot be read or computed."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """What one trigger read last, and its failed reads in a row (None: no record)."""

    value: float
    failures: int | None = None


def trigger_value(trigger: Trigger, fallback: Fallback | None) -> float | None:
    """What the formula sees: nil once the trigger has failed for too long under the behaviour scalingModifiers."""
    modifiers = fallback is not None and fallback.behavior is Stand.MODIFIERS
    if modifiers and fallback is not None and fallback.holds_for(trigger.failures or 0):
        return None
    return trigger.value


def composite(formula: Term | None, triggers: Mapping[str, Trigger], fallback: Fallback | None, target: float) -> float:
    """The composite metric; where the formula gives nil, the fallback's replicas times the target per replica."""
    if formula is None:
        raise FormulaError("no formula was compiled")
    result = formula({name: trigger_value(trigger, fallback) for name, trigger in triggers.items()})
    if result is None and fallback is not None and fallback.valid:
        return fallback.replicas * target
    return _number(result, "the formula's result")


def compile_formula(text: str) -> Term:
    """A formula ready to be computed from trigger values by name."""
    parser = _Parser(_tokens(text), text)
    term = parser.ternary()
    parser.expect("")
    return term


_TOKEN = re.compile(
    r"\s*(?:(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+)|([A-Za-z_]\w*)|(\?\?|\*\*|[<>=!]=|&&|\|\||[-+*/%^<>!?:(),]))"
)


def _tokens(text: str) -> list[str]:
    tokens, at = [], 0
    stripped = text.rstrip()
    while at < len(stripped):
        found = _TOKEN.match(stripped, at)
        if found is None:
            raise FormulaError(f"formula {text!r}: cannot read {stripped[at:].strip()[:10]!r}")
        tokens.append(found[found.lastindex or 0])
        at = found.end()
    return tokens


def _number(value: Value, what: str) -> float:
    if value is None or isinstance(value, bool):
        raise FormulaError(f"{what} is {'nil' if value is None else 'a truth value'}; a number is needed")
    return float(value)


def _truth(value: Value) -> bool:
    if not isinstance(value, bool):
        raise FormulaError(f"{value} is no truth value; compare it with something")
    return value


def _divide(left: float, right: float) -> float:
    if right != 0:
        return left / right
    return math.nan if left == 0 or math.isnan(left) else math.copysign(math.inf, left)


def _away(value: float) -> float:
    """Rounded, halves away from zero."""
    return math.copysign(math.floor(abs(value) + 0.5), value)


_ARITHMETIC: dict[str, Callable[[float, float], Value]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _divide,
    "%": math.fmod,
    "**": math.pow,
    "^": math.pow,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
_PRECEDENCE = {
    **dict.fromkeys(("||", "or"), 10),
    **dict.fromkeys(("&&", "and"), 15),
    **dict.fromkeys(("==", "!=", "<", ">", "<=", ">="), 20),
    **dict.fromkeys(("+", "-"), 30),
    **dict.fromkeys(("*", "/", "%"), 60),
    **dict.fromkeys(("**", "^"), 100),
    "??": 500,
}
_FUNCTIONS: dict[str, Callable[[Sequence[float]], float]] = {
    "min": min,
    "max": max,
    "sum": sum,
    "abs": lambda values: abs(values[0]),
    "ceil": lambda values: math.ceil(values[0]),
    "floor": lambda values: math.floor(values[0]),
    "round": lambda values: _away(values[0]),
}


class _Parser:
    """Precedence climbing over the tokens; an empty token marks the end."""

    def __init__(self, tokens: Sequence[str], text: str) -> None:
        self._tokens = [*tokens, ""]
        self._text = text
        self._at = 0

    def ternary(self) -> Term:
        condition = self._binary(0)
        if not self._accept("?"):
            return condition
        yes = self.ternary()
        self.expect(":")
        no = self.ternary()
        return lambda values: yes(values) if _truth(condition(values)) else no(values)

    def expect(self, token: str) -> None:
        found = self._tokens[self._at]
        if not self._accept(token):
            raise FormulaError(
                f"formula {self._text!r}: {token or 'the end'!r} was expected, not {found or 'the end'!r}"
            )

    def _accept(self, token: str) -> bool:
        hit = self._tokens[self._at] == token
        self._at += hit and self._at < len(self._tokens) - 1
        return hit

    def _binary(self, floor: int) -> Term:
        left = self._unary()
        while (rank := _PRECEDENCE.get(self._tokens[self._at], -1)) >= floor:
            symbol = self._next()
            # A power binds to the right: 2 ** 3 ** 2 is 2 ** 9.
            left = _apply(symbol, left, self._binary(rank if symbol in ("**", "^") else rank + 1))
        return left

    def _unary(self) -> Term:
        if self._accept("-"):
            operand = self._binary(90)
            return lambda values: -_number(operand(values), "the operand of -")
        if self._accept("!") or self._accept("not"):
            denied = self._binary(50)
            return lambda values: not _truth(denied(values))
        return self._primary()

    def _primary(self) -> Term:
        token = self._next()
        if token == "(":
            inner = self.ternary()
            self.expect(")")
            return inner
        if token[:1].isdigit() or token[:1] == ".":
            number = float(token)
            return lambda _: number
        if token in ("nil", "true", "false"):
            constant = {"nil": None, "true": True, "false": False}[token]
            return lambda _: constant
        if token in _FUNCTIONS and self._accept("("):
            return self._call(token)
        if token.isidentifier():
            return lambda values: _lookup(values, token)
        raise FormulaError(f"formula {self._text!r}: a value was expected, not {token or 'the end'!r}")

    def _call(self, name: str) -> Term:
        arguments = [self.ternary()]
        while self._accept(","):
            arguments.append(self.ternary())
        self.expect(")")
        function = _FUNCTIONS[name]
        return lambda values: function([_number(term(values), f"an argument of {name}") for term in arguments])

    def _next(self) -> str:
        token = self._tokens[self._at]
        self._at += self._at < len(self._tokens) - 1
        return token


def _lookup(values: Mapping[str, Value], name: str) -> Value:
    if name not in values:
        raise FormulaError(f"no trigger is named {name!r}; there are {', '.join(sorted(values)) or 'none'}")
    return values[name]


def _apply(symbol: str, left: Term, right: Term) -> Term:
    """A term of two operands; ``??``, ``and`` and ``or`` compute the right one only where it is needed."""
    if symbol == "??":
        return lambda values: right(values) if (found := left(values)) is None else found
    if symbol in ("&&", "and"):
        return lambda values: _truth(left(values)) and _truth(right(values))
    if symbol in ("||", "or"):
        return lambda values: _truth(left(values)) or _truth(right(values))
    if symbol in ("==", "!="):
        return lambda values: (left(values) == right(values)) is (symbol == "==")
    compute = _ARITHMETIC[symbol]
    what = f"an operand of {symbol}"
    return lambda values: compute(_number(left(values), what), _number(right(values), what))
