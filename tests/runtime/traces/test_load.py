"""Traces: each public format gives the same value, and a bad file gives one line that says where and why."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.traces import Trace, TraceError, load

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file of that name and text."""

    def put(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return put


def parquet(path: Path, **columns: Any) -> Path:
    """A parquet file of these columns."""
    pq.write_table(pa.table(columns), path)
    return path


def complaint(path: Path) -> str:
    """The error that loading gives: one line that starts with the file."""
    with pytest.raises(TraceError) as caught:
        load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message
    return message.removeprefix(f"{path}: ")


def rows(trace: Trace) -> list[tuple[float, int, int]]:
    """(arrival, input, output) of each request, arrivals to the microsecond."""
    columns = trace.arrival_s.round(6).tolist(), trace.input_tokens.tolist(), trace.output_tokens.tolist()
    return list(zip(*columns, strict=True))


# --- formats ------------------------------------------------------------------------------------------------------

AZURE = "TIMESTAMP,ContextTokens,GeneratedTokens\n"
LEADTIME = "arrival_s,input_tokens,output_tokens\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("leadtime.csv", LEADTIME + "0,374,44\n4.31458,396,109\n"),
        ("order.csv", "client,output_tokens, arrival_s ,input_tokens\na,44,7,374\nb,109,11.31458,396\n"),
        ("azure-2023.csv", AZURE + "2023-11-16 18:15:46.6800000,374,44\n2023-11-16 18:15:50.9945800,396,109\n"),
        ("azure-2024.csv", AZURE + "2024-05-10 00:00:00+00:00,374,44\n2024-05-10 00:00:04.314580+00:00,396,109\n"),
        (
            "burstgpt.csv",
            "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
            "5,ChatGPT,374,44,418,Conversation log\n9.31458,GPT-4,396,109,505,API log\n",
        ),
        (
            "mooncake.jsonl",
            '{"timestamp": 27000, "input_length": 374, "output_length": 44, "hash_ids": [1, 2]}\n\n'
            '{"timestamp": 31314.58, "input_length": 396, "output_length": 109, "hash_ids": []}\n',
        ),
        ("bom.csv", "\ufeff" + LEADTIME + "0,374,44\r\n4.31458,396,109"),
    ],
)
def test_a_format_is_known_by_its_columns(write: Write, name: str, text: str) -> None:
    trace = load(write(name, text))
    assert rows(trace) == [(0.0, 374, 44), (4.31458, 396, 109)]
    assert (trace.arrival_s.dtype, trace.input_tokens.dtype, trace.output_tokens.dtype) == (float, "i4", "i4")
    assert (trace.name, trace.requests, trace.notes) == (name.rsplit(".", 1)[0], 2, ())


def test_parquet_with_other_types_and_columns(tmp_path: Path) -> None:
    path = parquet(
        tmp_path / "t.parquet",
        client=["a", "b"],
        output_tokens=pa.array([5, 6], pa.int16()),
        input_tokens=[3.0, 4.0],
        arrival_s=pa.array([1, 2], pa.int64()),
    )
    assert rows(load(path)) == [(0.0, 3, 5), (1.0, 4, 6)]


# --- who belongs together -----------------------------------------------------------------------------------------

KEYED = "arrival_s,input_tokens,output_tokens,client,session,prefix_id,prefix_tokens\n"


def columns(trace: Trace) -> list[list[int] | None]:
    """Client, session, prefix, prefix tokens."""
    found = trace.client, trace.session, trace.prefix, trace.prefix_tokens
    assert all(column is None or column.dtype == np.int32 for column in found)
    return [None if column is None else column.tolist() for column in found]


def test_keys_are_dense_in_every_container(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(KEYED + "0,9,1,7,b,x,4\n1,9,0,8,z,w,0\n2,9,1,7,,,\n3,9,1,3,b,x,9\n")
    lines = (
        '{"arrival_s": 0, "input_tokens": 9, "output_tokens": 1, "client": 7}\n'
        '{"arrival_s": 2, "input_tokens": 9, "output_tokens": 1, "client": "7", "prefix_id": null}\n'
        '{"arrival_s": 3, "input_tokens": 9, "output_tokens": 1, "client": 3, "session": "b", "prefix_id": "x",'
        ' "prefix_tokens": 9}\n'
    )
    (tmp_path / "t.jsonl").write_text(lines)
    path = parquet(
        tmp_path / "t.parquet",
        arrival_s=[0, 1, 2, 3],
        input_tokens=[9, 9, 9, 9],
        output_tokens=[1, 0, 1, 1],
        client=pa.array([7, 8, 7, 3], pa.int16()),
        session=pa.array(["b", "z", None, "b"]).dictionary_encode(),
        prefix_id=[2.0, 1.0, None, 2.0],
        prefix_tokens=[4, 0, None, 9],
    )
    expected = [[1, 1, 2], [1, 0, 1], [1, 0, 1], [4, 0, 9]]
    assert columns(load(path)) == columns(load(tmp_path / "t.csv")) == expected
    assert columns(load(tmp_path / "t.jsonl")) == [[1, 1, 2], [0, 0, 1], [0, 0, 1], [0, 0, 9]]


def test_columns_that_say_nothing_are_none(write: Write) -> None:
    assert columns(load(write("a.csv", LEADTIME + "0,1,1\n"))) == [None] * 4
    assert columns(load(write("b.csv", KEYED + "0,1,1,,,,\n"))) == [None] * 4


def test_a_prefix_of_unknown_length_is_a_key_alone(write: Write) -> None:
    text = "arrival_s,input_tokens,output_tokens,prefix_id\n0,5,1,a\n1,5,1,a\n"
    assert columns(load(write("a.csv", text))) == [None, None, [1, 1], None]


def test_keys_go_with_their_requests_across_batches(tmp_path: Path) -> None:
    n = 300_000
    session, ones = np.random.default_rng(0).integers(0, 1000, n), np.ones(n, np.int32)
    path = parquet(
        tmp_path / "t.parquet", arrival_s=np.arange(n), input_tokens=ones, output_tokens=ones, session=session
    )
    keys = load(path).session
    assert keys is not None and len(set(zip(keys.tolist(), session.tolist(), strict=True))) == 1000


def mooncake(*prompts: tuple[int, list[int] | None]) -> str:
    """Lines of these input lengths and blocks."""
    lines = [
        {"timestamp": 1000 * i, "input_length": length, "output_length": 1, "hash_ids": blocks}
        for i, (length, blocks) in enumerate(prompts)
    ]
    return "".join(json.dumps(line) + "\n" for line in lines)


def test_mooncake_blocks_become_prefixes(write: Write) -> None:
    trace = load(write("m.jsonl", mooncake((700, [1, 2]), (1500, [1, 2, 3]), (100, [9]), (700, [1, 2]), (5, None))))
    assert columns(trace) == [None, None, [1, 1, 0, 1, 0], [700, 1024, 0, 700, 0]]
    assert columns(load(write("n.jsonl", mooncake((700, [1, 2]), (700, [3, 4]))))) == [None] * 4


def test_mooncake_in_parquet_and_sessions(tmp_path: Path) -> None:
    path = parquet(
        tmp_path / "m.parquet",
        timestamp=[0, 1, 2],
        input_length=[600, 600, 600],
        output_length=[1, 1, 0],
        hash_ids=[[1, 2], [1, 3], [1, 2]],
        session_id=["a", "b", "a"],
    )
    assert columns(load(path)) == [None, [1, 2], [1, 1], [512, 512]]


def test_burstgpt_sessions(write: Write) -> None:
    text = "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens\n1,8,3,m,5,1\n2,,3,m,6,7\n"
    assert columns(load(write("b.csv", text))) == [None, [1, 0], None, None]


def test_parquet_with_dates(tmp_path: Path) -> None:
    at = [datetime(2024, 5, 10, 1, 0, second, tzinfo=UTC) for second in (0, 2)]
    trace = load(parquet(tmp_path / "t.parquet", TIMESTAMP=at, ContextTokens=[1, 2], GeneratedTokens=[3, 4]))
    assert rows(trace) == [(0.0, 1, 3), (2.0, 2, 4)]
    assert trace.start_s == at[0].timestamp()


def test_wall_times_are_kept_and_others_are_not_made_up(write: Write) -> None:
    azure = load(write("a.csv", AZURE + "2023-11-16 18:15:46.5000000,1,1\n"))
    assert azure.start_s == datetime(2023, 11, 16, 18, 15, 46, 500000, UTC).timestamp()
    assert load(write("b.csv", LEADTIME + "1700158546.5,1,1\n")).start_s == 1700158546.5
    assert load(write("c.csv", LEADTIME + "86400,1,1\n")).start_s is None


def test_dates_keep_seven_digits(write: Write) -> None:
    trace = load(write("a.csv", AZURE + "2023-11-16 18:15:46.6805900,1,1\n2023-11-16 18:15:46.6805901,1,1\n"))
    assert trace.arrival_s[1] == pytest.approx(1e-7, rel=1e-9)


def test_failed_requests_are_left_out_and_counted(write: Write) -> None:
    text = "Timestamp,Model,Request tokens,Response tokens\n1,m,5,0\n2,m,6,7\n3,m,8,0\n4,m,9,1\n"
    trace = load(write("b.csv", text))
    assert rows(trace) == [(0.0, 6, 7), (2.0, 9, 1)]
    assert trace.notes == ("left out 2 requests without input or output tokens",)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 10**7), st.integers(1, 10**7)), min_size=1, max_size=50)
)
def test_what_is_written_is_read_in_every_container(tmp_path_factory: Any, requests: list[Any]) -> None:
    folder = tmp_path_factory.mktemp("traces")
    requests.sort(key=lambda row: row[0])
    names = ("arrival_s", "input_tokens", "output_tokens")
    columns = dict(zip(names, map(list, zip(*requests, strict=True)), strict=True))
    parquet(folder / "t.parquet", **columns)
    (folder / "t.csv").write_text(LEADTIME + "".join(f"{a},{i},{o}\n" for a, i, o in requests))
    (folder / "t.jsonl").write_text("".join(json.dumps(dict(zip(names, r, strict=True))) + "\n" for r in requests))
    expected = [(float(a - requests[0][0]), i, o) for a, i, o in requests]
    for kind in ("parquet", "csv", "jsonl"):
        assert rows(load(folder / f"t.{kind}")) == expected


def test_a_long_file_is_read_in_batches_and_checked_across_them(tmp_path: Path) -> None:
    n = 600_000
    arrival, ones = np.arange(n) / 10, np.ones(n, np.int32)
    path = parquet(tmp_path / "t.parquet", arrival_s=arrival, input_tokens=ones, output_tokens=ones)
    assert load(path).duration_s == pytest.approx((n - 1) / 10)
    arrival[1 << 18] = 0.5
    parquet(path, arrival_s=arrival, input_tokens=ones, output_tokens=ones)
    assert complaint(path).startswith("row 262145, column arrival_s: 0.5 is before the row above it")


# --- bad files ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "the file is empty"),
        ("\n\n", "the file is empty"),
        (LEADTIME, "holds no requests"),
        (LEADTIME + "1,5,0\n", "holds no requests beside 1 without tokens"),
        (
            "minute,requests\n0,5\n",
            "found columns minute, requests; a trace needs arrival_s, input_tokens, output_tokens",
        ),
        (LEADTIME + "0,1,1\n2,1,1\n\n1,1,1\n", "line 5, column arrival_s: 1 is before the row above it; sort the file"),
        (LEADTIME + "0,1,1\n2,-3,1\n", "line 3, column input_tokens: -3 is negative; give 0 to 10000000"),
        (LEADTIME + "-1,1,1\n", "line 2, column arrival_s: -1 is negative"),
        (LEADTIME + "0,1,1\nnan,1,1\n", "line 3, column arrival_s: an empty or NaN value is no time"),
        (LEADTIME + "inf,1,1\n", "line 2, column arrival_s: inf is no time"),
        (LEADTIME + "0,1,1\n1,1,\n", "line 3, column output_tokens: an empty or NaN value is no count"),
        (LEADTIME + "0,1,2.5\n", "line 2, column output_tokens: 2.5 is no count of tokens; give a whole number"),
        (LEADTIME + "0,1,10000001\n", "line 2, column output_tokens: 10000001 is absurd"),
        ("\n" + LEADTIME + "0,1,1\n", "found columns ; a trace needs"),
        ("arrival_s,arrival_s,input_tokens,output_tokens\n0,0,1,1\n", "column arrival_s is there twice; keep one"),
        ("x" * 200_000 + ",y\n1,2\n", "not a readable CSV file (field larger"),
        (LEADTIME + "0,1,1\n1,37", "line 3 has 2 columns, not 3: '1,37'"),
        (LEADTIME + "0,1,1\n\n1,many,1\n", "line 4, column input_tokens: 'many' is no number"),
        (AZURE + "2023-11-16 18:15:46,1,1\nyesterday,1,1\n", "line 3, column TIMESTAMP: 'yesterday' is no date"),
        (AZURE + "2023-11-16 18:15:46,1,1\n,1,1\n", "line 3, column TIMESTAMP: None is no date"),
        (KEYED + "0,9,1,,,x,4\n1,9,1,,,x,-4\n", "line 3, column prefix_tokens: -4 is negative; give 0 to"),
        (KEYED + "0,9,1,,,x,10\n", "line 2, column prefix_tokens: 10 is more than input_tokens; give the part"),
        (KEYED + "0,9,1,,,x,1.5\n", "line 2, column prefix_tokens: 1.5 is no count of tokens"),
        (KEYED + "0,9,1,,,x,a\n", "line 2, column prefix_tokens: 'a' is no number"),
        (KEYED + "0,9,1,,,,4\n", "line 2, column prefix_tokens: 4 has no prefix_id beside it; give one"),
        (LEADTIME.replace("\n", ",prefix_tokens\n") + "0,9,1,4\n", "line 2, column prefix_tokens: 4 has no prefix_id"),
        ("timestamp,input_length,output_length,hash_ids\n0,1,1,[1]\n", "column hash_ids: CSV has no lists; write the"),
        (
            AZURE + "2023-11-16 18:15:46,1,1\n2023-11-16 18:15:45,1,1\n",
            "line 3, column TIMESTAMP: 2023-11-16T18:15:45.000000000 is before the row above it",
        ),
    ],
)
def test_a_bad_csv_says_where_and_why(write: Write, text: str, expected: str) -> None:
    assert complaint(write("bad.csv", text)).startswith(expected)


GOOD_LINE = '{"timestamp": 0, "input_length": 1, "output_length": 1}\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (GOOD_LINE + '{"timestamp": 5, "inp', "line 2 is no JSON object"),
        (GOOD_LINE + "[1, 2]\n", "line 2 is no JSON object"),
        (GOOD_LINE + "\n" + GOOD_LINE.replace("1,", '"x",'), "line 3, column input_length: '\"x\"' is no number"),
        (GOOD_LINE + '{"timestamp": 5, "input_length": 1}\n', "line 2, column output_length: an empty or NaN value"),
        (
            '{"timestamp": 0, "input_length": 1' + "0" * 400 + ', "output_length": 1}',
            "line 1, column input_length: 1e+300 is",
        ),
        (
            GOOD_LINE[:-2] + ', "hash_ids": [1, "a"]}\n',
            "line 1, column hash_ids: '[1, \"a\"]' is no list of block ids; write",
        ),
        (
            GOOD_LINE[:-2] + ', "hash_ids": 5}\n',
            "line 1, column hash_ids: '5' is no list of block ids; write it as lists",
        ),
        (GOOD_LINE[:-2] + ', "session_id": [5]}\n', "line 1, column session_id: '[5]' is no key; write it as text or"),
        (GOOD_LINE[:-2] + ', "session_id": true}\n', "line 1, column session_id: 'true' is no key; write it as text"),
        ('{"prompt": "hi"}\n', "found columns prompt; a trace needs"),
    ],
)
def test_bad_json_lines_say_where_and_why(write: Write, text: str, expected: str) -> None:
    assert complaint(write("bad.jsonl", text)).startswith(expected)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    assert complaint(tmp_path / "none.csv").startswith("no such file; give the path of a trace")
    assert complaint(tmp_path).startswith("Is a directory; give the path")


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9, 0.999])
def test_a_cut_parquet_file(tmp_path: Path, keep: float) -> None:
    ones = np.ones(1000, np.int32)
    path = parquet(tmp_path / "t.parquet", arrival_s=np.arange(1000.0), input_tokens=ones, output_tokens=ones)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * keep)])
    assert complaint(path).startswith("the parquet file is cut or damaged")


def test_damage_inside_a_parquet_file(tmp_path: Path) -> None:
    ones = np.ones(1000, np.int32)
    path = parquet(tmp_path / "t.parquet", arrival_s=np.arange(1000.0), input_tokens=ones, output_tokens=ones)
    whole = path.read_bytes()
    path.write_bytes(whole[:8] + b"\xff" * 400 + whole[408:])
    assert complaint(path).startswith("the parquet file is cut or damaged")


def test_parquet_columns_of_the_wrong_type(tmp_path: Path) -> None:
    path = parquet(tmp_path / "t.parquet", arrival_s=["a"], input_tokens=[1], output_tokens=[1])
    assert complaint(path) == "column arrival_s holds string; write it as numbers"


def test_parquet_keys_of_the_wrong_type(tmp_path: Path) -> None:
    numbers = {"arrival_s": [1.0], "input_tokens": [1], "output_tokens": [1]}
    path = parquet(tmp_path / "t.parquet", **numbers, session=[True])
    assert complaint(path) == "column session holds bool; write it as text or whole numbers"
    path = parquet(tmp_path / "m.parquet", timestamp=[0], input_length=[1], output_length=[1], hash_ids=[["a"]])
    assert complaint(path).endswith("write it as lists of whole numbers")


def test_a_file_that_is_no_text_at_all(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(LEADTIME.encode() + b"0,1,1\n\xff\xfe\x00,\x01,1\n")
    assert complaint(path).startswith("line 3, column arrival_s: ")
    path.write_bytes(bytes(range(128, 256)))
    assert complaint(path).startswith("found columns ")


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["t.csv", "t.jsonl"]),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 20), st.binary(max_size=6)), min_size=1, max_size=5),
)
def test_whatever_damage_gives_a_trace_or_one_line(tmp_path_factory: Any, name: str, damage: list[Any]) -> None:
    text = GOOD_LINE * 30 if name == "t.jsonl" else LEADTIME + "".join(f"{i},{i},{i}\n" for i in range(1, 90))
    content = bytearray(text.encode())
    for at, length, instead in damage:
        content[at : at + length] = instead
    path = tmp_path_factory.mktemp("damage") / name
    path.write_bytes(content)
    try:
        assert load(path).requests > 0
    except TraceError as error:
        assert str(error).startswith(f"{path}: ") and "\n" not in str(error)
