"""The history that a real Prometheus holds comes back as the requests that it was made of."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import collectors.promql
from autoscaler.backtest.prometheus import Span, recorded
from autoscaler.backtest.recorded import HistoryError, Hole
from collectors.prometheus import SourceUnavailable
from tests.autoscaler.backtest.vllm_history import FROM_S, Requests, made, remembering, scrapes

MINUTES = 60
HOLE = (1230.0, 1800.0)
"""From the middle of a minute: that minute is not known either."""

REPLICAS = {"10.0.0.1:8000": made(MINUTES, (30, 90), 1), "10.0.0.2:8000": made(MINUTES, (60, 60, 0), 2)}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with remembering(tmp_path_factory.mktemp("history"), scrapes(REPLICAS, "chat", MINUTES, HOLE)) as url:
        yield url


def span(url: str, model: str = "chat", begin_s: float = 0.0, end_s: float = 60.0 * MINUTES) -> Span:
    return Span(url, model, FROM_S + begin_s, FROM_S + end_s, 60)


def known(requests: Requests) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which of them came in minutes that are known."""
    return (requests.arrival_s < 1200) | (requests.arrival_s >= HOLE[1])


@pytest.mark.prometheus
def test_requests_and_lengths_come_back_and_the_hole_is_named(url: str) -> None:
    trace, missing = recorded(span(url), 0)
    assert missing == (Hole(FROM_S + 1200, FROM_S + HOLE[1]),)
    came = np.concatenate([r.arrival_s[known(r)] for r in REPLICAS.values()])
    back = trace.arrival_s + (trace.start_s or 0.0) - FROM_S
    in_minutes = [np.bincount((at_s // 60).astype(int), minlength=MINUTES).tolist() for at_s in (back, came)]
    assert in_minutes[0] == in_minutes[1]
    for column, lengths in ((trace.input_tokens, "inputs"), (trace.output_tokens, "outputs")):
        truly = np.concatenate([getattr(r, lengths)[known(r)] for r in REPLICAS.values()])
        assert column.mean() == pytest.approx(truly.mean(), rel=0.01)
        assert np.median(column) == pytest.approx(np.median(truly), rel=0.1)


@pytest.mark.prometheus
def test_pieces_give_the_same_trace(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _ = recorded(span(url), 3)
    monkeypatch.setattr(collectors.promql, "CHUNK_POINTS", 7)
    pieces, _ = recorded(span(url), 3)
    assert (whole.arrival_s == pieces.arrival_s).all() and (whole.input_tokens == pieces.input_tokens).all()


@pytest.mark.prometheus
@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"model": "code"}, "of chat and not of code; give --model"),
        ({"begin_s": 9e6, "end_s": 9.1e6}, "has no vllm:request_success_total in the span"),
        ({"end_s": 30.0}, "no step of 60 s"),
        ({"end_s": 120.0}, "give a span of 5 or more"),
        ({"begin_s": -7200.0}, "have no data; give a span that is at least half known"),
        ({"model": 'x"} or vector(1) #\\'}, "give --model"),
    ],
)
def test_what_is_not_there_is_told_in_a_line(url: str, asked: dict[str, float], said: str) -> None:
    with pytest.raises(HistoryError, match=said) as caught:
        recorded(span(url, **asked), 0)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_a_wrong_address_is_named() -> None:
    with pytest.raises(SourceUnavailable, match=r"127\.0\.0\.1:1 cannot be reached"):
        recorded(span("http://127.0.0.1:1"), 0)


ELSEWHERE = """# TYPE sglang:num_running_reqs gauge
sglang:num_running_reqs{model_name="chat"} 1 1767571260
sglang:num_running_reqs{model_name="chat"} 2 1767571320
# EOF
"""


@pytest.mark.prometheus
def test_another_engine_is_named(tmp_path_factory: pytest.TempPathFactory) -> None:
    with (
        remembering(tmp_path_factory.mktemp("other"), ELSEWHERE) as url,
        pytest.raises(HistoryError, match="history of sglang in the span; only that of vllm"),
    ):
        recorded(span(url), 0)


COUNTERS = ("request_success", "prompt_tokens", "generation_tokens", "prompt_tokens_cached", "admission_rejections")


def by_hand(replicas: dict[str, dict[str, list[float | None]]]) -> str:
    """OpenMetrics of these values of each replica (labels), one a minute, None where it was not scraped."""
    lines = []
    for family in (*COUNTERS, "num_requests_running", "num_requests_waiting"):
        counts = family in COUNTERS
        lines.append(f"# TYPE vllm:{family} {'counter' if counts else 'gauge'}")
        for labels, told in replicas.items():
            name = f'vllm:{family}{"_total" if counts else ""}{{{labels},model_name="chat"}}'
            samples = enumerate(told.get(family, []))
            lines += [f"{name} {value} {FROM_S + 60 * minute}" for minute, value in samples if value is not None]
    return "\n".join([*lines, "# EOF", ""])


def steady(each: float = 60, minutes: int = 11, **more: list[float | None]) -> dict[str, list[float | None]]:
    """So many requests a minute, of 100 and 10 tokens, and nothing in flight."""
    done: list[float | None] = [each * minute for minute in range(minutes)]
    tokens = {f"{kind}_tokens": [each * size * minute for minute in range(minutes)] for kind, size in SIZES}
    idle: list[float | None] = [0.0] * minutes
    return {"request_success": done, **tokens, "num_requests_running": idle, "num_requests_waiting": idle, **more}


SIZES = (("prompt", 100), ("generation", 10))


@pytest.mark.prometheus
def test_two_jobs_that_scrape_one_replica_count_it_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Without histograms and rejections, as little as the oldest versions tell."""
    text = by_hand({'instance="a",job="pods"': steady(), 'instance="a",job="service"': steady()})
    with remembering(tmp_path_factory.mktemp("twice"), text) as url:
        trace, missing = recorded(span(url, end_s=600.0), 0)
    assert (trace.requests, missing) == (600, ())
    assert set(trace.input_tokens.tolist()) == {100} and set(trace.output_tokens.tolist()) == {10}
    assert [note.split(":")[0] for note in trace.notes] == [f"no histogram of {side} lengths" for side in SIDES]


SIDES = ("input", "output")


@pytest.mark.prometheus
def test_what_waits_or_is_rejected_has_arrived_and_what_is_peculiar_is_noted(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """b was unseen twice, then began anew; of a, 40 more wait at the end of minute five, 5 a minute are rejected."""
    queue: list[float | None] = [0.0] * 5 + [40.0] * 6
    rejected: list[float | None] = [5.0 * minute for minute in range(11)]
    cached: list[float | None] = [1500.0 * minute for minute in range(11)]
    a = steady(num_requests_waiting=queue, admission_rejections=rejected, prompt_tokens_cached=cached)
    b = steady(request_success=[0, 10, None, None, 40, 50, 7, 17, 27, 37, 47])
    with remembering(tmp_path_factory.mktemp("peculiar"), by_hand({'instance="a"': a, 'instance="b"': b})) as url:
        trace, missing = recorded(span(url, end_s=600.0), 0)
    back = trace.arrival_s + (trace.start_s or 0.0) - FROM_S
    assert np.bincount((back // 60).astype(int)).tolist() == [75, 75, 75, 75, 115, 72, 75, 75, 75, 75]
    assert missing == ()
    assert trace.notes[:2] == (
        "single replicas were not seen 2 times of 22; their growth is spread evenly",
        "12% of its input tokens came from prefix caches; the replay computes them all",
    )


@pytest.mark.prometheus
def test_a_replica_that_tells_no_queue_is_named(tmp_path_factory: pytest.TempPathFactory) -> None:
    replicas = {'instance="a"': steady(), 'instance="b"': steady(num_requests_waiting=[])}
    with (
        remembering(tmp_path_factory.mktemp("mute"), by_hand(replicas)) as url,
        pytest.raises(HistoryError, match="lacks vllm:num_requests_waiting of b"),
    ):
        recorded(span(url, end_s=600.0), 0)
