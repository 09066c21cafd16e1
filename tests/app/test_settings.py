"""A fleet file that loads is consistent; any other is one line with file, line, key and what would be right."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from app.errors import UserError
from app.settings import Settings, load
from autoscaler.policy import Mode
from runtime.replica import Tier

GOOD = """\
source:
  interval_s: 15
services:
  - name: chat
    policy:
      mode: auto
      slo: {ttft_s: 1.5}
      replicas:
        min: 1
        max: 4
    pools:
      - name: chat-h100
        gpu: H100
        gpus_per_replica: 2
        price_usd_per_gpu_hour: 2.5
        step: {a_ms: 10, b_ms_per_seq: 0.1, k_ms_per_1k_kv_tokens: 0.02, p_ms_per_1k_prefill_tokens: 30}
        kv_blocks: 20000
        lead_times:
          cold: {p50_s: 100, p90_s: 200}
"""

# what is replaced, by what, the line told, and words that must be in it
MISTAKES = [
    ("gpus_per_replica: 2", "gpus_per_replica: two", 14, "'two' is not an integer; give a whole number of GPUs"),
    ("kv_blocks: 20000", "kv_block: 20000", 17, "kv_block: unknown key; did you mean kv_blocks (in blocks)?"),
    ("interval_s: 15", "interval: 15", 2, "source.interval: unknown key; did you mean interval_s (in seconds)?"),
    ("ttft_s: 1.5", "ttft_ms: 1500", 7, "ttft_ms: unknown key; did you mean ttft_s (in seconds)?"),
    ("ttft_s: 1.5", "ttft_s: 2s", 7, "ttft_s: '2s' is not a number; give a plain number of seconds"),
    ("ttft_s: 1.5", "ttft_s: 0", 7, "ttft_s: 0 is too small; give more than 0 seconds"),
    ("ttft_s: 1.5", "ttft_s: .nan", 7, "ttft_s: nan is"),
    ("min: 1", "min: 9", 8, "replicas: min 9 is greater than max 4; give a min of at most 4"),
    ("mode: auto", "mode: on", 6, "mode: 'on' is not known; give 'off', 'shadow', 'auto' or 'paused'"),
    ("gpu: H100", "gpu: [H100]", 13, "gpu: ['H100'] is not text"),
    ("        gpu: H100\n", "", 12, "pools[0].gpu: is missing; give GPU type, such as H100"),
    ("cold: {", "freezing: {", 19, "lead_times.freezing: 'freezing' is not known; give 'active', 'standby'"),
    ("p90_s: 200", "p90_s: 50", 19, "p50_s 100 is greater than p90_s 50"),
    ("name: chat\n", "name: chat one\n", 4, "name: 'chat one' is not allowed"),
    ("kv_blocks: 20000", "kv_blocks: 1.5", 17, "kv_blocks: 1.5 is not an integer; give a whole number of blocks"),
    ("interval_s: 15", "interval_s: 15\n  interval_s: 30", 3, "source.interval_s: key given twice"),
    ("interval_s: 15", "kind: prometheus", 1, "source: kind is prometheus but url is missing; give url: http://"),
    ("interval_s: 15", "interval_s: [15", 3, "YAML syntax"),
    ("services:", "services: chat #", 4, "YAML syntax"),
    ("source:\n  interval_s: 15", "source: 15", 1, "source: 15 is not a mapping; give keys and values below it"),
]


RACK = """\
racks:
  - name: shared
    gpu: H100
    price_usd_per_gpu_hour: 2.5
    gpus: 4
    max_gpus: 16
    lead_time: {p50_s: 120, p90_s: 180}
    lent_share: 0.3
    policy: {min_gpus: 2}
"""
RACKED = RACK + GOOD.replace("name: chat\n", "name: chat\n    rack: shared\n").replace("cold:", "asleep:")

# what is replaced, by what, and the words of the one line
RACK_MISTAKES = [
    ("rack: shared", "rack: other", "service chat: no rack 'other'; known: shared"),
    ("    rack: shared\n", "", "rack shared: no service sleeps in it; give one rack: shared or remove the rack"),
    ("asleep:", "standby:", "pool chat-h100: lead_times has no asleep, which is how it starts in a rack; give asleep"),
    ("asleep: {p50_s: 100", "cold: {p50_s: 9, p90_s: 9}\n          asleep: {p50_s: 100", "lead_times has cold, but in"),
    ("    gpu: H100\n    price", "    gpu: L4\n    price", "gpu H100 is not what the rack holds; give L4"),
    ("hour: 2.5\n    gpus", "hour: 3\n    gpus", "price_usd_per_gpu_hour 2.5 is not the rack's; give 3"),
    ("gpus_per_replica: 2", "gpus_per_replica: 16", "gpus_per_replica 16 does not fit a node; give at most 8"),
    (
        "kv_blocks: 20000",
        "kv_blocks: 20000\n        holding_share: {standby: 0.5}",
        "holding_share is for GPUs",
    ),
    ("kv_blocks: 20000", "kv_blocks: 20000\n        spot: true", "spot is true, but a rack's GPUs are kept for good"),
    ("max_gpus: 16", "max_gpus: 3", "rack shared: gpus 4 is not within 0 and max_gpus 3"),
    ("min_gpus: 2", "min_gpus: 20", "policy.min_gpus 20 is greater than max_gpus 16"),
    ("lent_share: 0.3", "lent_share: 3", "lent_share: 3 is too large"),
]


def written(folder: Path, text: str) -> Path:
    path = folder / "fleet.yaml"
    path.write_text(text)
    return path


def test_a_good_file_becomes_settings_and_pools(tmp_path: Path) -> None:
    settings = load(written(tmp_path, GOOD))
    service = settings.services[0]
    assert service.policy.mode is Mode.AUTO
    assert service.pool.replica_usd_per_hour == 5.0
    assert service.pool.step.a_ms == 10
    assert service.pool.lead_times[Tier.COLD].p90_s == 200


def test_off_is_a_mode_and_not_false(tmp_path: Path) -> None:
    settings = load(written(tmp_path, GOOD.replace("mode: auto", "mode: off")))
    assert settings.services[0].policy.mode is Mode.OFF


def test_defaults_listen_on_loopback(tmp_path: Path) -> None:
    settings = load(written(tmp_path, GOOD))
    assert (settings.api.host, settings.api.port, settings.console.port) == ("127.0.0.1", 8800, 8501)


@pytest.mark.parametrize(("old", "new", "line", "said"), MISTAKES)
def test_a_mistake_is_one_line(tmp_path: Path, old: str, new: str, line: int, said: str) -> None:
    assert old in GOOD
    path = written(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(UserError) as error:
        load(path)
    assert str(error.value).startswith(f"{path}:{line}: ")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_several_pools_the_first_is_the_reference(tmp_path: Path) -> None:
    pool = GOOD[GOOD.index("      - name: chat-h100") :].replace("chat-h100", "chat-spot")
    service = load(written(tmp_path, GOOD + pool + "        spot: true\n")).services[0]
    assert (service.pool.name, [pool.name for pool in service.more_pools]) == ("chat-h100", ["chat-spot"])
    assert service.more_pools[0].spot and not service.pool.spot


def test_what_there_is_for_all_services(tmp_path: Path) -> None:
    market = """
market:
  gpus: {H100: {nodes: 4}}
  slices: {H100-1g: {gpu: H100, share: 1/7}}
  budget_usd_per_hour: 90
"""
    limits = load(written(tmp_path, GOOD + market)).market.limits()
    assert limits and limits.market.domains == {"H100": ((8, 4),)} and limits.market.budget_usd_per_hour == 90
    assert limits.slices == {"H100-1g": ("H100", Fraction(1, 7))}
    assert not load(written(tmp_path, GOOD)).market.limits()


def test_a_slice_of_more_than_a_gpu_is_refused(tmp_path: Path) -> None:
    market = "market:\n  slices: {H100-1g: {gpu: H100, share: 8/7}}\n"
    with pytest.raises(UserError, match="share 8/7 is more than a whole GPU"):
        load(written(tmp_path, GOOD + market))


def test_a_service_named_twice_is_refused(tmp_path: Path) -> None:
    again = GOOD[GOOD.index("  - name: chat\n") :].replace("chat-h100", "other")
    with pytest.raises(UserError, match="service name 'chat' is used twice"):
        load(written(tmp_path, GOOD + again))


def test_a_missing_or_empty_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"absent\.yaml: no such file"):
        load(tmp_path / "absent.yaml")
    with pytest.raises(UserError, match="is empty"):
        load(written(tmp_path, "# nothing\n"))


def test_bytes_that_are_no_text_are_told(tmp_path: Path) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_bytes(b"\xff\xfe\x00services")
    with pytest.raises(UserError, match="cannot be read"):
        load(path)


def test_settings_survive_a_round_trip(tmp_path: Path) -> None:
    settings = load(written(tmp_path, GOOD))
    assert Settings.model_validate(settings.model_dump(mode="json")) == settings


def test_services_share_a_rack(tmp_path: Path) -> None:
    settings = load(written(tmp_path, RACKED))
    rack = settings.racks[0].rack()
    assert (rack.name, rack.gpus, rack.max_gpus, rack.lead_time.p90_s, rack.lent_share) == ("shared", 4, 16, 180, 0.3)
    assert (settings.services[0].rack, settings.services_in("shared")) == ("shared", ["chat"])
    assert Settings.model_validate(settings.model_dump(mode="json")) == settings


@pytest.mark.parametrize(("old", "new", "said"), RACK_MISTAKES)
def test_who_cannot_sleep_in_a_rack_is_told_why(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in RACKED
    with pytest.raises(UserError) as error:
        load(written(tmp_path, RACKED.replace(old, new, 1)))
    assert said in str(error.value) and "\n" not in str(error.value)


def test_the_example_of_the_documentation_is_a_good_file(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "racks.md").read_text()
    settings = load(written(tmp_path, page.split("```yaml")[1].split("```")[0]))
    assert settings.services_in("h100-shared") == ["chat", "summarize"]
