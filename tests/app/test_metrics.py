"""Our metrics: every known number once, and nothing for what is not known."""

from __future__ import annotations

from dataclasses import replace

from prometheus_client.parser import text_string_to_metric_families

from app.daemon.memory import Memory
from app.metrics import page
from autoscaler.safety.health import Health, Sick
from autoscaler.safety.overrides import Kind, Override
from autoscaler.tuning.choice import Choice, Price
from autoscaler.tuning.knobs import values
from runtime.agent.client import Standing
from tests.app.daemon.test_tick import ticks
from tests.app.fakes import START_S, World


def samples(memory: Memory, now_s: float) -> dict[tuple[str, tuple[str, ...]], float]:
    families = text_string_to_metric_families(page(memory, now_s).decode())
    return {(s.name, tuple(sorted(s.labels.values()))): s.value for f in families for s in f.samples}


async def test_numbers_are_those_of_the_last_tick(world: World) -> None:
    world.source.rps = 20.0
    daemon = await world.start()
    await ticks(daemon, 4)
    found = samples(daemon.memory, START_S + 65)
    signals = daemon.memory.services["chat"].signals
    assert found["leadtime_offered_load_erlangs", ("chat",)] == signals["offered_erlangs"]
    assert found["leadtime_replicas", ("active", "chat")] == signals["replicas_active"]
    assert found["leadtime_data_age_seconds", ("chat",)] == 20
    assert found["leadtime_gpus", ("busy",)] == 1
    assert found["leadtime_lead_time_seconds", ("0.90", "chat", "chat-h100", "cold")] == 120
    decision = daemon.memory.services["chat"].decision
    assert decision and found["leadtime_replica_capacity_erlangs", ("chat", "chat-h100", "used")] == decision.rho_max
    assert found["leadtime_step_time_factor_ratio", ("a", "chat", "chat-h100")] == 1.0
    assert found["leadtime_learning_replicas", ("chat", "chat-h100", "taken")] == 0
    assert ("leadtime_forecast_model_age_seconds", ("chat",)) not in found
    assert sum(value for (name, _), value in found.items() if name == "leadtime_decision_total") == 4


async def test_a_model_ages_from_its_last_fit(world: World) -> None:
    daemon = await world.start()
    daemon.memory.services["chat"].fitted_at_s = START_S
    assert samples(daemon.memory, START_S + 65)["leadtime_forecast_model_age_seconds", ("chat",)] == 65


def test_certificates_go_by_the_machine_s_time_and_of_the_agents_the_first_counts() -> None:
    agents = {"a": Standing(expires_s=900.0), "b": Standing(expires_s=500.0), "c": Standing()}
    memory = Memory(agents=agents, certificate_ends_s=lambda: 700.0)
    told = page(memory, 0.0, wall_s=600.0).decode()
    assert 'leadtime_certificate_remaining_seconds{listener="api"} 100.0' in told
    assert 'leadtime_certificate_remaining_seconds{listener="agents"} -100.0' in told
    assert "agents" not in page(memory, 0.0, leading=False, wall_s=600.0).decode()
    assert "leadtime_certificate" not in page(memory, 0.0).decode()


async def test_what_is_not_known_is_absent(world: World) -> None:
    daemon = await world.start()
    names = {name for name, _ in samples(daemon.memory, START_S)}
    assert "leadtime_ticks_total" in names
    assert not names & {"leadtime_offered_load_erlangs", "leadtime_gpus", "leadtime_forecast_quantile"}


def test_names_follow_the_conventions() -> None:
    for family in text_string_to_metric_families(page(Memory(), 0.0).decode()):
        assert family.name.startswith("leadtime_")
        assert family.documentation


async def test_what_tuning_chose_is_told(world: World) -> None:
    daemon = await world.start()
    known = daemon.memory.services["chat"]
    assert ("leadtime_tuning_regret_ratio", ("chat",)) not in samples(daemon.memory, START_S)
    known.tuner.adopt(Choice(values(known.policy), Price(7.0), False, 0.0, 0.25, "because"))
    found = samples(daemon.memory, START_S)
    assert found["leadtime_tuning_regret_ratio", ("chat",)] == 0.25
    assert found["leadtime_tuning_price_replica_seconds", ("chat",)] == 7.0
    assert found["leadtime_policy_knob", ("chat", "risk.headroom")] == known.policy.risk.headroom


async def test_sick_replicas_and_what_is_held_by_hand_are_counted(world: World) -> None:
    daemon = await world.start()
    await ticks(daemon, 2)
    known = daemon.memory.services["chat"]
    sick = (Sick("chat-0", "g0", "XID 79", START_S, urgent=True),)
    pin = Override("o", "chat", Kind.PIN, 3, START_S, START_S + 60, "ann", "test")
    known.control = replace(known.control, health=Health((), sick), overrides=(pin,))
    found = samples(daemon.memory, START_S)
    assert found["leadtime_sick_replicas", ("chat",)] == 1
    assert found["leadtime_overrides", ("chat", "pin")] == 1
