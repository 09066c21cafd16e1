"""``leadtime plan``: what it prints, what it writes, and how it complains."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from app.cli.plan import plan
from app.errors import UserError

app = typer.Typer()
app.command()(plan)

LLAMA = ["meta-llama/Llama-3.1-70B"]
NUMBERS = ["--rate", "20", "--input-tokens", "1000", "--output-tokens", "250"]
FEW = ["--gpu", "h100,L4", "--precision", "fp8,bf16"]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def document(*arguments: str) -> dict[str, object]:
    result = run(*LLAMA, *FEW, *arguments, "--json")
    assert result.exit_code == 0, result.output
    made = json.loads(result.stdout)
    assert isinstance(made, dict)
    return made


@pytest.fixture
def series(tmp_path: Path) -> Path:
    path = tmp_path / "minutes.csv"
    rows = [f"{m},{600 + 60 * (m % 10)},600000,150000" for m in range(120) if m != 7]
    path.write_text("\n".join(["minute,requests,input_tokens,output_tokens", *rows]) + "\n")
    return path


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    path = tmp_path / "trace.csv"
    rows = [f"{0.25 * i},800,120" for i in range(1000)]
    path.write_text("\n".join(["arrival_s,input_tokens,output_tokens", *rows]) + "\n")
    return path


def test_tables_from_numbers() -> None:
    text = run(*LLAMA, *NUMBERS, *FEW, "--peak-to-mean", "2", "--growth", "0.8", "--growth-sd", "0.3").stdout
    assert "20.00 requests/s (peak 40.00), 1,000 tokens in, 250 out" in text
    assert "H100-SXM fp8 TP2" in text and "Memory of each GPU, GiB" in text
    assert "8 H100-SXM in fp8, cut in different ways" in text and "8 x TP1" in text
    assert "Reserved pays where a replica is used more than 85% of the time" in text
    assert "Prices: Hyperstack H100 SXM 2026-08-26" in text
    assert "growth stated: +80% a year, standard deviation 30%" in text and "USD P90" in text
    assert "H100-SXM bf16 TP1: weights 131.4 and overhead 3.6 GiB do not fit the 73.2 GiB" in text


def test_a_year_without_growth_is_one_line() -> None:
    text = run(*LLAMA, *NUMBERS, *FEW).stdout
    assert "growth none stated; give --growth, or a series of 8 weeks or more" in text and "each" in text
    assert "USD P90" not in text


def test_json_is_one_document_and_nothing_else() -> None:
    made = document(*NUMBERS, "--top", "2")
    pools = made["pools"]
    assert isinstance(pools, list) and len(pools) == 2
    assert pools[0]["usd_per_million_tokens"] <= pools[1]["usd_per_million_tokens"]


def test_a_series_is_recognised_by_its_columns_and_its_gap_is_told(series: Path) -> None:
    traffic = document(str(series))["traffic"]
    assert isinstance(traffic, dict)
    assert traffic["steps"] == 119 and "1 minutes are missing" in traffic["notes"]
    assert traffic["mean_input_tokens"] == pytest.approx(
        600000 * 119 / sum(600 + 60 * (m % 10) for m in range(120) if m != 7)
    )


def test_a_trace_is_recognised_by_its_columns(trace: Path) -> None:
    traffic = document(str(trace))["traffic"]
    assert isinstance(traffic, dict)
    assert traffic["mean_requests_per_s"] == pytest.approx(4.0) and traffic["mean_output_tokens"] == 120


def test_the_best_is_played_in_the_simulator(trace: Path) -> None:
    pools = document(str(trace), "--simulate", "1", "--top", "2")["pools"]
    assert isinstance(pools, list)
    assert pools[0]["simulated"]["run"]["attainment"] > 0.9 and pools[1]["simulated"] is None
    assert "simulated request by request" in run(*LLAMA, *FEW, str(trace), "--simulate", "1").stdout


def test_a_plan_that_the_simulator_contradicts_is_told(trace: Path) -> None:
    result = run(*LLAMA, *FEW, str(trace), "--simulate", "1", "--attainment", "0.9999", "--ttft", "0.3")
    assert result.exit_code == 0 and ("miss the promise" in result.stdout or "1.0000" in result.stdout)


def test_given_prices_are_used_and_named() -> None:
    pools = document(*NUMBERS, "--price", "H100=1.5", "--spot-price", "h100=0.5", "--price", "L4=0.4")["pools"]
    assert isinstance(pools, list)
    price = pools[0]["price"]
    assert (price["on_demand_usd"], price["spot_usd"], price["provider"]) == (1.5, 0.5, "given")


def test_a_provider_without_the_gpu_makes_it_infeasible() -> None:
    found = document(*NUMBERS, "--provider", "CoreWeave")["infeasible"]
    assert isinstance(found, list)
    assert any(one["reason"].endswith("no price is known; give --price L4=USD") for one in found)


def test_no_pool_at_all_is_an_answer() -> None:
    result = run(*LLAMA, *NUMBERS, *FEW, "--tpot", "0.002")
    assert result.exit_code == 0 and "No pool can keep this promise: 24 ways considered." in result.stdout
    assert "a token takes 9.3 ms on an almost idle replica; target 2 ms" in result.stdout


def test_what_is_wrong_by_its_error_may_never_do() -> None:
    text = run(*LLAMA, *NUMBERS, "--gpu", "h200", "--precision", "bf16", "--tpot", "0.0222").stdout
    assert "to never" in text and "the promise cannot be kept at any size" in text


def test_the_page_needs_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "plan.html"
    result = run(*LLAMA, *NUMBERS, *FEW, "--html", str(path), "--json")
    json.loads(result.stdout)
    text = path.read_text()
    assert text.startswith("<!doctype html>") and "USD per million tokens" in text and "<script" not in text
    assert (
        text.count("<table>") == 5
        and "<th scope=row>H100-SXM fp8 TP2</th>" in text
        and "http" not in text.replace("https://", "http")
    )


def test_a_page_of_nothing_has_the_reasons(tmp_path: Path) -> None:
    path = tmp_path / "plan.html"
    run(*LLAMA, *NUMBERS, *FEW, "--tpot", "0.002", "--html", str(path))
    assert "No pool keeps this promise" in path.read_text() and "What cannot be" in path.read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["Lama-70B", *NUMBERS], "model 'Lama-70B' is not known; near names: meta-llama/Llama-3.1-70B"),
        ([*LLAMA], "--rate is missing; give a trace or a series, or --rate, --input-tokens, --output-tokens"),
        ([*LLAMA, "--rate", "3", "--input-tokens", "9"], "--output-tokens is missing"),
        ([*LLAMA, *NUMBERS, "--rate", "0"], "--rate 0: must be above 0"),
        ([*LLAMA, *NUMBERS, "--gpu", "H1000"], "--gpu: GPU 'H1000' is not known; near names: H100"),
        ([*LLAMA, *NUMBERS, "--precision", "fp7"], "--precision 'fp7' is not known; give one of bf16"),
        ([*LLAMA, *NUMBERS, "--engine", "tgi"], "--engine 'tgi' is not known; give one of sglang, trtllm, vllm"),
        ([*LLAMA, *NUMBERS, "--routing", "sal"], "--routing 'sal' is not known; give one of by-load, blind"),
        ([*LLAMA, *NUMBERS, "--provider", "acme"], "--provider: provider 'acme' is not in the price table; near names"),
        ([*LLAMA, *NUMBERS, "--price", "H100"], "--price H100: write a GPU type and USD per GPU-hour, as in H100=2.69"),
        ([*LLAMA, *NUMBERS, "--price", "H100=nan"], "--price H100=nan: USD per GPU-hour must be above 0"),
        ([*LLAMA, *NUMBERS, "--price", "H1=2"], "--price: GPU 'H1' is not known"),
        ([*LLAMA, *NUMBERS, "--growth", "-1"], "--growth -1: traffic cannot fall by more than all of it"),
        ([*LLAMA, *NUMBERS, "--gpu", "L4", "--sizing-gpu", "H100"], "--sizing-gpu H100: not among --gpu L4"),
        ([*LLAMA, "absent.csv"], "absent.csv: no such file"),
        ([*LLAMA, "absent.csv", "--rate", "3"], "--rate 3: absent.csv says it; give one of them"),
        ([*LLAMA, "absent.csv", "--peak-to-mean", "3"], "--peak-to-mean 3: absent.csv says it"),
        ([*LLAMA, *NUMBERS, *FEW, "--html", "/nowhere/p.html"], "--html /nowhere/p.html: No such file or directory"),
    ],
)
def test_mistakes_are_one_line(arguments: list[str], said: str) -> None:
    error = run(*arguments).exception
    assert isinstance(error, UserError) and str(error).startswith(said) and "\n" not in str(error)


def test_traffic_without_tokens_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text("minute,requests,input_tokens,output_tokens\n0,0,0,0\n1,0,0,0\n")
    error = run(*LLAMA, str(path)).exception
    assert isinstance(error, UserError) and "no requests with tokens in any known minute" in str(error)


def test_a_growth_that_is_unsure_has_bands_even_around_nothing() -> None:
    year = document(*NUMBERS, "--growth-sd", "0.2")["year"]
    assert isinstance(year, dict) and year["total_usd"]["P90"] > year["total_usd"]["P10"]


def test_a_long_series_tells_its_own_growth(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    rows = [f"{m},{100 * 1.02 ** (m // 10080):.3f},60000,15000" for m in range(0, 9 * 10080, 1)]
    path.write_text("\n".join(["minute,requests,input_tokens,output_tokens", *rows]) + "\n")
    year = document(str(path))["year"]
    assert isinstance(year, dict) and year["growth"]["source"] == "estimated from 9 weeks"
    assert year["growth"]["rate"] == pytest.approx(52.18 * 0.0198, rel=1e-2)
    assert "The coming week of H100-SXM fp8" in run(*LLAMA, *FEW, str(path)).stdout


def test_a_target_may_grow_with_the_prompt() -> None:
    strict, kind = (document(*NUMBERS, "--ttft", "0.15", *more) for more in ([], ["--ttft-per-1k", "1"]))
    assert isinstance(strict["feasible"], int) and isinstance(kind["feasible"], int)
    assert strict["feasible"] < kind["feasible"]


def test_a_fleet_too_large_to_play_is_told_and_planned() -> None:
    result = run(*LLAMA, "--rate", "9000", "--input-tokens", "900", "--output-tokens", "200", *FEW, "--simulate", "1")
    assert result.exit_code == 0 and "replicas are not played, 500 at most" in " ".join(result.stderr.split())
    assert "H100-SXM fp8 TP2" in result.stdout


def peaks(made: dict[str, object]) -> dict[str, int]:
    pools = made["pools"]
    assert isinstance(pools, list)
    return {one["name"]: one["replicas"]["peak"] for one in pools}


LONG = ["--rate", "40", "--input-tokens", "8000", "--output-tokens", "200"]


def test_replicas_that_queue_for_themselves_are_more_and_the_plan_says_so() -> None:
    shared, blind = (document(*LONG, "--routing", routing) for routing in ("by-load", "blind"))
    assert document(*LONG) == shared and (shared["routing"], blind["routing"]) == ("by-load", "blind")
    counts = [peaks(made) for made in (shared, blind)]
    more = [counts[1][name] - counts[0][name] for name in counts[0].keys() & counts[1].keys()]
    assert min(more) >= 0 and max(more) > 0
    assert "each replica queues for itself" in run(*LLAMA, *LONG, *FEW, "--routing", "blind").stdout
    assert "queues for itself" not in run(*LLAMA, *LONG, *FEW).stdout
