"""Series files: read whole, or refused with one line that says where."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from forecasting.series import SeriesError, read

HEAD = "minute,requests,input_tokens,output_tokens\n"


def file(folder: Path, text: str) -> Path:
    path = folder / "chat.csv"
    path.write_text(text)
    return path


def test_missing_minutes_and_empty_cells_are_gaps(tmp_path: Path) -> None:
    series = read(file(tmp_path, HEAD + "7,3,30,6\n8,,,\n10,0,0,0\n"))
    assert (series.name, series.first) == ("chat", 7)
    assert series.requests.tolist() == pytest.approx([3, np.nan, np.nan, 0], nan_ok=True)
    assert series.notes == ("2 minutes are missing",)


def test_no_request_in_a_busy_series_is_a_gap_and_said(tmp_path: Path) -> None:
    series = read(file(tmp_path, HEAD + "0,100,1,1\n1,0,0,0\n2,90,1,1\n"))
    assert np.isnan(series.requests[1]) and np.isnan(series.output_tokens[1])
    assert series.notes == ("1 minutes without a request, where 90 are usual, are taken for gaps",)


def test_parquet_is_known_by_its_bytes(tmp_path: Path) -> None:
    table = pa_csv.read_csv(file(tmp_path, HEAD + "0,5,50,10\n1,6,60,12\n"))
    path = tmp_path / "renamed.csv"
    pq.write_table(table, path)
    assert read(path).input_tokens.tolist() == [50, 60]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("minute,requests\n0,1\n", "no column input_tokens among minute, requests; a series has minute, requests"),
        (HEAD, "no rows; a series needs a minute or more"),
        (HEAD + "0,1,1,1\n0,1,1,1\n", "row 2, column minute: 0 is not after the row above it"),
        (HEAD + "0.5,1,1,1\n", "row 1, column minute: 0.5 is no whole minute"),
        (HEAD + "0,1,1,1\n9e9,1,1,1\n", "row 2, column minute: 9e+09 is more than five years after the first"),
        (HEAD + "0,1,1,1\n1,-4,1,1\n", "row 2, column requests: -4 is no count; give 0 or more"),
        (HEAD + "0,many,1,1\n", "column requests holds string; write numbers"),
        (HEAD + "0,1,1,1\n1,1\n", "not a readable series"),
        ("", "not a readable series"),
        ("PAR1 and no more", "not a readable series"),
    ],
)
def test_what_is_no_series_is_refused_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = file(tmp_path, text)
    with pytest.raises(SeriesError) as refused:
        read(path)
    assert str(refused.value).startswith(f"{path}: ") and said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_no_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(SeriesError, match="no such file; give the path of a series"):
        read(tmp_path / "absent.csv")
