"""Plain values to decide on, and hypothesis strategies around them."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from autoscaler.decision import ControlState, TierCounts
from autoscaler.policy import Mode, Policy
from autoscaler.safety.oscillation import Restlessness
from collectors.observation import Gap, Observation
from forecasting.forecast import Forecast
from runtime.fleet import PoolTarget
from runtime.pool import LeadTime, Pool, StepTime
from runtime.replica import Tier

NOW_S = 1_700_000_000.0

POOL = Pool(
    name="h100-tp2",
    service="chat",
    engine="vllm",
    gpu="H100",
    gpus_per_replica=2,
    price_usd_per_gpu_hour=2.5,
    step=StepTime(16.55, 0.041, 0.0581, 68.7),
    kv_blocks=20_000,
    lead_times={
        Tier.STANDBY: LeadTime(0.5, 1.0),
        Tier.ASLEEP: LeadTime(2.0, 4.0),
        Tier.COLD: LeadTime(120.0, 180.0),
    },
)
SHARED = replace(POOL, holding_share={Tier.STANDBY: 0.3, Tier.ASLEEP: 0.1})
AUTO = Policy(mode=Mode.AUTO)
TAUS = (0.5, 0.8, 0.9, 0.95, 0.99)
HORIZONS_S = (15.0, 60.0, 180.0, 600.0, 3600.0)


def observation(**changes: object) -> Observation:
    """A healthy interval: 8 requests a second of 1,500 and 300 tokens, about 1.15 erlangs."""
    base = Observation(
        service="chat",
        at_s=NOW_S,
        interval_s=15.0,
        valid=True,
        arrivals_per_s=8.0,
        completed_per_s=8.0,
        mean_input_tokens=1500.0,
        mean_output_tokens=300.0,
        running=60.0,
        waiting=0.0,
        held=0.0,
        ttft_s={"p90": 0.3},
        tpot_s={"p90": 0.02, "mean": 0.018},
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def forecast(erlangs: float, spread: float = 0.2) -> Forecast:
    """A forecast around a load, a little higher and wider with each horizon."""
    rows = tuple(
        tuple(erlangs * (1 + 0.05 * h + spread * q / 4) for q in range(len(TAUS))) for h in range(len(HORIZONS_S))
    )
    return Forecast("chat", NOW_S, HORIZONS_S, TAUS, rows, "test", 86400.0)


def state(active: int = 4, **changes: object) -> ControlState:
    """A controller that has run for an hour with so many active replicas."""
    base = ControlState(
        service="chat",
        pool=POOL,
        counts=TierCounts(active=active),
        started_at_s=NOW_S - 3600,
        desired=PoolTarget("chat", POOL.name, active),
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def needs(high: int, seconds_ago: float) -> tuple[tuple[float, int], ...]:
    """A window with one high need."""
    return ((NOW_S - seconds_ago, high),)


rates = st.floats(0, 500, allow_nan=False)
loads = st.floats(0, 60, allow_nan=False)
counts = st.integers(0, 12)
ratios = st.dictionaries(st.sampled_from(["p50", "p90", "p99", "mean"]), st.floats(0.001, 20), max_size=3)


@st.composite
def observations(draw: st.DrawFn) -> Observation:
    """Observations that are fresh or stale, valid or not, full or with holes."""
    maybe = st.none() | st.floats(0, 5000, allow_nan=False)
    return observation(
        at_s=NOW_S - draw(st.sampled_from([0.0, 10.0, 59.0, 61.0, 4000.0])),
        valid=draw(st.booleans()),
        gaps=tuple(draw(st.lists(st.builds(Gap, st.text(max_size=8), st.text(max_size=8)), max_size=2))),
        arrivals_per_s=draw(st.none() | rates),
        completed_per_s=draw(st.none() | rates),
        mean_input_tokens=draw(maybe),
        mean_output_tokens=draw(maybe),
        waiting=draw(st.none() | rates),
        running=draw(st.none() | rates),
        kv_usage_ratio=draw(st.none() | st.floats(0, 1)),
        preemptions_per_s=draw(st.none() | st.floats(0, 20)),
        rejected_per_s=draw(st.none() | st.floats(0, 50)),
        ttft_s=draw(ratios),
        tpot_s=draw(ratios),
    )


@st.composite
def states(draw: st.DrawFn) -> ControlState:
    """Controllers at any point of their life, on dedicated or shared GPUs."""
    target = PoolTarget("chat", POOL.name, draw(counts), standby=draw(st.integers(0, 3)))
    return state(
        pool=draw(st.sampled_from([POOL, SHARED])),
        counts=draw(st.builds(TierCounts, active=counts, standby=st.integers(0, 3), launching=st.integers(0, 3))),
        desired=draw(st.none() | st.just(target)),
        started_at_s=NOW_S - draw(st.sampled_from([0.0, 100.0, 299.0, 301.0, 9000.0])),
        last_scale_in_s=draw(st.none() | st.floats(0, 200).map(lambda ago: NOW_S - ago)),
        needs=draw(st.lists(st.tuples(st.floats(0, 400).map(lambda ago: NOW_S - ago), counts), max_size=4).map(tuple)),
        work_ms_per_request=draw(st.none() | st.floats(1, 2000)),
        restlessness=Restlessness((), draw(st.none() | st.just(NOW_S + 600))),
    )


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Valid policies of every mode."""
    least = draw(st.integers(0, 6))
    return Policy.model_validate(
        {
            "mode": draw(st.sampled_from([mode.value for mode in Mode])),
            "replicas": {"min": least, "max": draw(st.integers(max(1, least), 12))},
            "standby": {"max": draw(st.integers(0, 4)), "tier": draw(st.sampled_from(["standby", "asleep"]))},
            "scale_out": {"max_step": draw(st.integers(1, 8)), "max_factor": draw(st.floats(1.1, 3))},
            "scale_in": {"max_step": draw(st.integers(1, 5)), "window_s": draw(st.sampled_from([0.0, 300.0]))},
            "budget_usd_per_hour": draw(st.none() | st.floats(1, 60)),
        }
    )


forecasts = st.none() | st.builds(forecast, loads, st.floats(0, 2))
