"""Tables of measurements: habits undone, bad cells named."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.catalog.errors import CatalogError
from runtime.catalog.table import Row, distinct, read
from tests.runtime.catalog.samples import HEADER, LINE, row


def written(folder: Path, *lines: str) -> Path:
    path = folder / "rows.csv"
    path.write_text("\n".join((HEADER, *lines)) + "\n")
    return path


def only(folder: Path, line: str) -> Row:
    return read(written(folder, line)).rows[0]


def test_a_line_is_a_row(tmp_path: Path) -> None:
    found = only(tmp_path, LINE)
    assert found.configuration.name == "vllm/meta-llama/Llama-3.1-70B/fp8/H100-SXM/tp2"
    assert (found.shape, found.concurrency, found.ttft_ms, found.tpot_ms) == ((1024, 1024), 64, 415.1, 28.77)
    assert (found.configuration.engine_version, found.measured) == ("", "2025-10-29")


def test_throughput_is_that_of_the_reference(tmp_path: Path) -> None:
    assert only(tmp_path, LINE).output_tokens_per_s_per_gpu == pytest.approx(1098, abs=1)


def test_another_version_is_another_configuration(tmp_path: Path) -> None:
    newer = LINE.replace("vllm,,", "vllm,0.20.0,").replace("28.77", "25.1")
    first, second = read(written(tmp_path, LINE, newer)).by_configuration()
    assert second.name == first.name + "@0.20.0" and second.unversioned == first


def test_no_precision_means_unquantised_and_copies_are_the_model(tmp_path: Path) -> None:
    found = only(tmp_path, LINE.replace("fp8", "").replace("Llama-3.1-70B", "Llama-3.1-70B-Instruct"))
    assert (found.configuration.precision, found.configuration.model) == ("bf16", "meta-llama/Llama-3.1-70B")


@pytest.mark.parametrize(
    ("tp", "dp", "moe_tp", "moe_ep", "split"),
    [
        ("8", "1.0", "8.0", "1.0", "tp8"),
        ("8", "1.0", "1.0", "8.0", "tp8-ep8"),
        ("64", "1.0", "8.0", "8.0", "tp8-ep8"),
        ("1", "64.0", "8.0", "8.0", "tp1-dp8-ep8"),
        ("1", "8.0", "1.0", "8.0", "tp1-dp8-ep8"),
        ("4", "4.0", "1.0", "16.0", "tp4-ep4"),
        ("4", "", "2.0", "2.0", "tp4-ep2"),
        ("4", "", "0.0", "0.0", "tp4"),
    ],
)
def test_products_of_parallel_sizes_are_undone(
    tmp_path: Path, tp: str, dp: str, moe_tp: str, moe_ep: str, split: str
) -> None:
    line = LINE.replace("meta-llama/Llama-3.1-70B", "deepseek-ai/DeepSeek-R1")
    line = line.replace(",2,1.0,2.0,1.0,", f",{tp},{dp},{moe_tp},{moe_ep},")
    assert only(tmp_path, line).configuration.name.endswith("/" + split)


def test_repeated_measurements_count_once(tmp_path: Path) -> None:
    rounded = LINE.replace("415.1", "415.0").replace("vllm,,", "vllm,0.20.0,")
    table = read(written(tmp_path, LINE, rounded, LINE.replace("28.77", "30.1")))
    assert (len(table.rows), table.repeated) == (2, 1)


@given(st.lists(st.sampled_from([row(concurrency=c) for c in (1, 2, 4)]), max_size=12))
def test_distinct_rows_are_few_and_all_there(rows: list[Row]) -> None:
    table = distinct(rows)
    assert set(table.rows) == set(rows)
    assert len(table.rows) + table.repeated == len(rows)
    assert sum(map(len, table.by_configuration().values())) == len(table.rows)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (",64.0,", ",many,", "line 2, column concurrency: 'many' should be a number"),
        (",64.0,", ",0.5,", "line 2, column concurrency: '0.5' should be a whole number from 1"),
        (",64.0,", ",nan,", "line 2, column concurrency: '' should be a number"),
        ("28.77", "-3", "line 2, column silicon_tpot_ms: '-3' should be a number above 0"),
        ("28.77", "inf", "line 2, column silicon_tpot_ms: 'inf' should be a number"),
        ("h100_sxm", "h900", "line 2, column system: 'h900' should be a known GPU"),
        ("fp8", "fp7", "line 2, column precision: 'fp7' should be one of"),
        ("meta-llama/Llama-3.1-70B", "", "line 2, column model_path: '' should be a name"),
        (",1024,64.0", ",1,64.0", "line 2, column osl: '1' should be a whole number from 2"),
        (",2025-10-29", "", None),
    ],
)
def test_a_bad_cell_is_one_line(tmp_path: Path, old: str, new: str, said: str | None) -> None:
    path = written(tmp_path, LINE.replace(old, new))
    if said is None:
        assert read(path).rows[0].measured == ""
        return
    with pytest.raises(CatalogError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ") and said in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_that_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="holds no measurement"):
        read(written(tmp_path))
    with pytest.raises(CatalogError, match="No such file"):
        read(tmp_path / "absent.csv")
    (tmp_path / "bytes.csv").write_bytes(b"\x80\x81\xff")
    with pytest.raises(CatalogError, match="not a readable CSV"):
        read(tmp_path / "bytes.csv")
    (tmp_path / "other.csv").write_text("arrival_s,input_tokens\n1,2\n")
    with pytest.raises(CatalogError, match="no column backend, model_path"):
        read(tmp_path / "other.csv")


@settings(deadline=None)
@given(st.lists(st.lists(st.text(max_size=8) | st.sampled_from(LINE.split(",")), max_size=17), max_size=4))
def test_whatever_a_file_holds_it_is_rows_or_one_line(lines: list[list[str]]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        text = "\n".join([HEADER, *(",".join(cells) for cells in lines)])
        path.write_text(text, encoding="utf-8", errors="surrogatepass", newline="")
        try:
            assert all(row.tpot_ms > 0 for row in read(path).rows)
        except CatalogError as error:
            assert str(error).startswith(f"{path}: ")
