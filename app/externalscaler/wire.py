"""KEDA's messages as bytes and as values of ours, so that nothing else here knows protobuf.

Promise: ``externalscaler.proto`` beside this file says the same, and a test compares the two. The messages are built
from a table: generated code refuses to run with a protobuf older than the one that generated it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE = "externalscaler"
SERVICE = f"{PACKAGE}.ExternalScaler"

MESSAGES: Mapping[str, tuple[str, ...]] = {
    "ScaledObjectRef": ("string name", "string namespace", "map scalerMetadata"),
    "IsActiveResponse": ("bool result",),
    "GetMetricSpecResponse": ("MetricSpec* metricSpecs",),
    "MetricSpec": ("string metricName", "int64 targetSize", "double targetSizeFloat"),
    "GetMetricsRequest": ("ScaledObjectRef scaledObjectRef", "string metricName"),
    "GetMetricsResponse": ("MetricValue* metricValues",),
    "MetricValue": ("string metricName", "int64 metricValue", "double metricValueFloat"),
}
"""Fields by message, numbered from 1; ``*`` is repeated, ``map`` is from string to string."""

CALLS: Mapping[str, tuple[str, str, bool]] = {
    "IsActive": ("ScaledObjectRef", "IsActiveResponse", False),
    "StreamIsActive": ("ScaledObjectRef", "IsActiveResponse", True),
    "GetMetricSpec": ("ScaledObjectRef", "GetMetricSpecResponse", False),
    "GetMetrics": ("GetMetricsRequest", "GetMetricsResponse", False),
}
"""Request, response, and whether responses are a stream."""


@dataclass(frozen=True, slots=True)
class ScaledObject:
    """Who asks: the ScaledObject, and the metadata of its trigger."""

    name: str
    namespace: str
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class MetricRequest:
    """A metric of a ScaledObject."""

    of: ScaledObject
    metric: str


def scaled_object(data: bytes) -> ScaledObject:
    """A ``ScaledObjectRef`` as it came; raises ``google.protobuf.message.DecodeError``."""
    return _scaled_object(CLASSES["ScaledObjectRef"].FromString(data))


def metric_request(data: bytes) -> MetricRequest:
    """A ``GetMetricsRequest`` as it came; raises ``google.protobuf.message.DecodeError``."""
    said = CLASSES["GetMetricsRequest"].FromString(data)
    return MetricRequest(_scaled_object(said.scaledObjectRef), str(said.metricName))


def activity(active: bool) -> bytes:
    """An ``IsActiveResponse``."""
    return bytes(CLASSES["IsActiveResponse"](result=active).SerializeToString())


def spec(metric: str, target: int) -> bytes:
    """A ``GetMetricSpecResponse`` of one metric; the whole number is for a KEDA that knows no other."""
    one = {"metricName": metric, "targetSize": target, "targetSizeFloat": float(target)}
    return bytes(CLASSES["GetMetricSpecResponse"](metricSpecs=[one]).SerializeToString())


def values(metric: str, value: int) -> bytes:
    """A ``GetMetricsResponse`` of one value, in both forms likewise."""
    one = {"metricName": metric, "metricValue": value, "metricValueFloat": float(value)}
    return bytes(CLASSES["GetMetricsResponse"](metricValues=[one]).SerializeToString())


def _scaled_object(said: Any) -> ScaledObject:
    return ScaledObject(str(said.name), str(said.namespace), dict(said.scalerMetadata))


def file() -> Any:
    """The whole interface as a ``FileDescriptorProto``."""
    made = descriptor_pb2.FileDescriptorProto(name="externalscaler.proto", package=PACKAGE, syntax="proto3")
    for name, fields in MESSAGES.items():
        message = made.message_type.add(name=name)
        for number, text in enumerate(fields, 1):
            _field(message, number, *text.split())
    service = made.service.add(name=SERVICE.removeprefix(f"{PACKAGE}."))
    for name, (asked, told, streams) in CALLS.items():
        types = {"input_type": f".{PACKAGE}.{asked}", "output_type": f".{PACKAGE}.{told}"}
        call = service.method.add(name=name, **types, options={})
        if streams:
            call.server_streaming = True
    return made


def _field(message: Any, number: int, kind: str, name: str) -> None:
    """Add a field; a map is what protobuf makes of it, a repeated message of keys and values."""
    field = descriptor_pb2.FieldDescriptorProto
    repeated, kind = kind.endswith("*") or kind == "map", kind.removesuffix("*")
    if kind == "map":
        kind = f"{message.name}.{name[0].upper()}{name[1:]}Entry"
        entry = message.nested_type.add(name=kind.split(".")[1], options={"map_entry": True})
        _field(entry, 1, "string", "key")
        _field(entry, 2, "string", "value")
    label = field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL
    made = message.field.add(name=name, number=number, label=label)
    if kind in ("string", "bool", "int64", "double"):
        made.type = field.Type.Value(f"TYPE_{kind.upper()}")
    else:
        made.type, made.type_name = field.TYPE_MESSAGE, f".{PACKAGE}.{kind}"


def _classes() -> Mapping[str, Any]:
    pool = descriptor_pool.DescriptorPool()  # of our own: whoever has generated code too keeps the common one
    pool.Add(file())
    found = {name: pool.FindMessageTypeByName(f"{PACKAGE}.{name}") for name in MESSAGES}
    return {name: message_factory.GetMessageClass(descriptor) for name, descriptor in found.items()}


CLASSES = _classes()
