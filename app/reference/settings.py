"""The fleet file's reference: every section with its keys, their kinds, units, defaults, bounds and meaning."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from app.reference.markdown import NONE, anchor, code, prose, table
from app.settings import Settings

HEAD = """# Configuration

Made from the code. One YAML file, told to commands by `--config`; an unknown key or a wrong value is one line that
names file, line, key and what would be right. `leadtime doctor --schema` prints the same as a JSON Schema for editors.
A worked example and the reasons: [fleet.yaml](../configuration.md).

`[]` stands for each element of a list, `NAME` for a key of your own choice.

"""

UNITS = (
    ("_usd_per_gpu_hour", "USD per GPU-hour"),
    ("_usd_per_replica_hour", "USD per replica-hour"),
    ("_usd_per_hour", "USD per hour"),
    ("_per_min", "per minute"),
    ("_per_s", "per second"),
    ("_ms_per_seq", "ms per sequence"),
    ("_ms_per_1k_kv_tokens", "ms per 1,000 KV tokens"),
    ("_ms_per_1k_prefill_tokens", "ms per 1,000 tokens"),
    ("_s_per_1k_tokens", "s per 1,000 tokens"),
    ("_gib", "GiB"),
    ("_bytes", "bytes"),
    ("_tokens", "tokens"),
    ("_usd", "USD"),
    ("_ms", "ms"),
    ("_s", "s"),
)
"""Units by the ends of names; the first that fits."""

BOUNDS = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}


def page() -> str:
    """The whole page, section by section in the order of the file."""
    return HEAD + "\n".join(
        f"## {title}\n\n{prose(model.__doc__)}\n\n{rows(model, path)}" for path, title, model in sections()
    )


def sections() -> Iterator[tuple[str, str, type[BaseModel]]]:
    """Every mapping of the file: its path, its heading, its model."""
    yield "", "The file", Settings
    yield from below(Settings, "")


def below(model: type[BaseModel], path: str) -> Iterator[tuple[str, str, type[BaseModel]]]:
    """The mappings under a model, depth first."""
    for name, field in model.model_fields.items():
        for inner, suffix in models(field.annotation):
            own = f"{path}{name}{suffix}"
            yield f"{own}.", own, inner
            yield from below(inner, f"{own}.")


def models(annotation: Any, suffix: str = "") -> Iterator[tuple[type[BaseModel], str]]:
    """Models within an annotation, with what stands between the key and them."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, suffix
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (list, tuple):
        yield from models(inner[0], f"{suffix}[]")
    elif origin is dict:
        yield from models(inner[1], f"{suffix}.NAME")
    elif origin in (Union, UnionType, Annotated):
        for each in inner if origin is not Annotated else inner[:1]:
            yield from models(each, suffix)


def rows(model: type[BaseModel], path: str) -> str:
    """One line for each key of a mapping."""
    fields = model.model_fields.items()
    head = ["key", "kind", "unit", "default", "meaning"]
    return table(
        head,
        [(code(name), kind(field, path + name), unit(name), default(field), meaning(field)) for name, field in fields],
    )


def kind(field: FieldInfo, path: str) -> str:
    """What a value is, with its bounds; a mapping is a link to its own table."""
    bounds = [
        f"{sign} {value:g}"
        for item in field.metadata
        for key, sign in BOUNDS.items()
        if (value := getattr(item, key, None)) is not None
    ]
    inner = next(models(field.annotation), None)
    if inner is not None:
        heading = path + inner[1]
        return f"[{named(field.annotation)}](#{anchor(heading)})"
    return " ".join([named(field.annotation), *([f"({', '.join(bounds)})"] if bounds else [])])


def named(annotation: Any) -> str:
    """An annotation in the words of YAML."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return named(inner[0])
    if origin is Literal:
        return " or ".join(code(str(value)) for value in inner)
    if origin in (Union, UnionType):
        return " or ".join(named(each) for each in inner if each is not NoneType)
    if origin in (list, tuple):
        return f"list of {named(inner[0])}"
    if origin is dict:
        return f"mapping of {named(inner[1])}"
    return plain(annotation)


def plain(annotation: Any) -> str:
    """A simple type in the words of YAML."""
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " or ".join(code(str(member.value)) for member in annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "mapping"
    words = {"str": "text", "int": "whole number", "float": "number", "bool": "true or false", "Path": "file"}
    return words.get(
        annotation.__name__, "time with zone" if "time" in annotation.__name__.lower() else annotation.__name__
    )


def unit(name: str) -> str:
    """The unit that the name carries."""
    return next((text for end, text in UNITS if name.endswith(end)), NONE)


def default(field: FieldInfo) -> str:
    """What holds where the key is absent."""
    value = field.get_default(call_default_factory=True) if not field.is_required() else PydanticUndefined
    if value is PydanticUndefined:
        return "required"
    if value is None:
        return "none"
    if isinstance(value, BaseModel):
        return "its defaults"
    return written(value)


def written(value: Any) -> str:
    """A default as it would be written in the file."""
    if isinstance(value, Enum):
        return code(str(value.value))
    if isinstance(value, bool):
        return code(str(value).lower())
    if isinstance(value, list | tuple | dict):
        return code(", ".join(map(str, value))) if value else "empty"
    return code(f"{value:.15g}" if isinstance(value, float) else str(value) or "''")


def meaning(field: FieldInfo) -> str:
    """What it means: its own words, else those of the section it opens."""
    inner = next(models(field.annotation), None)
    return field.description or (prose(inner[0].__doc__) if inner else "")
