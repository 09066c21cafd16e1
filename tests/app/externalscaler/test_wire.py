"""Our table of messages says what the .proto says, and bytes come out as they went in."""

from __future__ import annotations

from pathlib import Path

from google.protobuf import descriptor_pb2
from grpc_tools import protoc
from hypothesis import given
from hypothesis import strategies as st

from app.externalscaler import wire
from tests.app.externalscaler.conftest import PROTO, Generated


def plain(file: descriptor_pb2.FileDescriptorProto) -> descriptor_pb2.FileDescriptorProto:
    """Without the JSON names, which the compiler fills in."""
    for message in file.message_type:
        for field in [*message.field, *(field for entry in message.nested_type for field in entry.field)]:
            field.ClearField("json_name")
    return file


def test_the_table_is_the_proto(tmp_path: Path) -> None:
    out = tmp_path / "set"
    assert protoc.main(["protoc", f"--proto_path={PROTO.parent}", f"--descriptor_set_out={out}", PROTO.name]) == 0
    (compiled,) = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file
    assert plain(compiled) == wire.file()


def test_a_request_is_read_as_generated_code_writes_it(keda: Generated) -> None:
    read = wire.metric_request(keda.metrics("m", service="chat").SerializeToString())
    assert read == wire.MetricRequest(wire.ScaledObject("chat", "llm", {"service": "chat"}), "m")


@given(count=st.integers(0, 2**40), metric=st.text(max_size=20))
def test_values_come_in_both_forms(keda: Generated, count: int, metric: str) -> None:
    (value,) = keda.messages.GetMetricsResponse.FromString(wire.values(metric, count)).metricValues
    assert (value.metricName, value.metricValue, value.metricValueFloat) == (metric, count, float(count))
