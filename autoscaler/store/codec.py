"""Exact JSON of the values of the core: what goes to the ledger can be decided again, bit for bit.

``encode`` turns dataclasses, tuples, mappings, enums and the policy into plain JSON values; ``decode`` goes
back, led by the type. Floats keep every bit (JSON writes the shortest text that reads back the same);
infinities and NaN, which JSON lacks, are the strings "inf", "-inf" and "nan".
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from enum import Enum
from functools import cache
from typing import Any, TypeVar

from pydantic import BaseModel

from autoscaler.decide import decide
from autoscaler.decision import ControlState, Decision
from autoscaler.policy import Policy
from collectors.observation import Observation
from forecasting.forecast import Forecast

T = TypeVar("T")


def encode(value: Any) -> Any:
    """A JSON value for any value of the core. Raises TypeError for what is none."""
    if value is None or isinstance(value, bool | int) or type(value) is str:
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value):
        return {name: encode(getattr(value, name)) for name in _names(value.__class__)}
    if isinstance(value, Mapping):
        return {str(encode(key)): encode(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    raise TypeError(f"cannot encode a {type(value).__name__}")


def decode(kind: type[T], data: Any) -> T:
    """The value of type ``kind`` that was encoded as ``data``. Raises ValueError naming what does not fit."""
    return typing.cast(T, _decode(kind, data))


def inputs(
    observation: Observation, forecast: Forecast | None, state: ControlState, policy: Policy, now_s: float
) -> dict[str, Any]:
    """Everything that a decision is made from, as JSON values."""
    return {
        "observation": encode(observation),
        "forecast": encode(forecast),
        "state": encode(state),
        "policy": encode(policy),
        "now_s": encode(now_s),
    }


def replay(stored: Mapping[str, Any]) -> Decision:
    """Decide again on stored inputs."""
    return decide(
        decode(Observation, stored["observation"]),
        _decode(Forecast | None, stored["forecast"]),
        decode(ControlState, stored["state"]),
        decode(Policy, stored["policy"]),
        _decode(float, stored["now_s"]),
    )


def _decode(kind: Any, data: Any) -> Any:
    origin = typing.get_origin(kind)
    if origin in (types.UnionType, typing.Union):
        options = [option for option in typing.get_args(kind) if option is not type(None)]
        return None if data is None else _decode(options[0], data)
    if origin is tuple:
        return _decode_tuple(typing.get_args(kind), data)
    if origin is not None and issubclass(origin, Mapping):
        key, item = typing.get_args(kind)
        return {_decode(key, k): _decode(item, v) for k, v in data.items()}
    if kind is float:
        return float(data) if isinstance(data, str) else data
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind.model_validate(data)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(data)
    return _decode_dataclass(kind, data) if dataclasses.is_dataclass(kind) else data


def _decode_tuple(args: tuple[Any, ...], data: Any) -> tuple[Any, ...]:
    if len(args) == 2 and args[1] is Ellipsis:
        return tuple(_decode(args[0], item) for item in data)
    return tuple(_decode(arg, item) for arg, item in zip(args, data, strict=True))


def _decode_dataclass(kind: Any, data: Any) -> Any:
    hints = _hints(kind)
    unknown = sorted(set(data) - set(hints))
    if unknown:
        raise ValueError(f"{kind.__name__} has no {unknown[0]}; known are {', '.join(hints)}")
    return kind(**{name: _decode(hints[name], item) for name, item in data.items()})


@cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    return {name: hints[name] for name in _names(kind)}


@cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))
