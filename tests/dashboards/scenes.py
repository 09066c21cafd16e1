"""Series in which an alert must fire and in which it must not, in promtool's notation: one value a minute."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scene:
    """One alert: ``loud`` and ``quiet`` are series by selector; looked at after so many minutes."""

    alert: str
    loud: dict[str, str]
    quiet: dict[str, str]
    minutes: int = 60


CHAT = '{service="chat"}'
GPU = '{leadtime_node="n", gpu="0", UUID="u", modelName="H100", instance="n:9400"}'


def gateway(name: str) -> str:
    return f"leadtime_gateway_requests_{name}_total{CHAT}"


def of(name: str, **labels: str) -> str:
    """A series of the service chat."""
    said = [f'{key}="{value}"' for key, value in {"service": "chat", **labels}.items()]
    return f"{name}{{{', '.join(said)}}}"


def bound(reason: str) -> tuple[dict[str, str], dict[str, str]]:
    """Decisions that a reason binds, four a minute; and some that another did."""
    made = "leadtime_decision_total"
    return {of(made, action="hold", reason=reason): "0+4x90"}, {of(made, action="hold", reason="load"): "0+4x90"}


def tally(loud: str, quiet: str, name: str) -> tuple[dict[str, str], dict[str, str]]:
    return {name: loud}, {name: quiet}


def misses(per_minute: int) -> dict[str, str]:
    """A hundred requests a minute, of which so many are late."""
    return {gateway("ended"): "0+100x600", gateway("attained"): f"0+{100 - per_minute}x600"}


STANDBY = of("leadtime_standby_replicas", tier="standby")
DESIRED, ACTIVE = of("leadtime_desired_replicas"), of("leadtime_replicas", state="active")
OUT, IN = (of("leadtime_decision_total", action=f"scale_{way}", reason="load") for way in ("out", "in"))
P95 = of("leadtime_forecast_quantile", horizon="300", quantile="0.95")
LOAD = of("leadtime_offered_load_erlangs")
XID, ECC = f"DCGM_FI_DEV_XID_ERRORS{GPU}", f"DCGM_FI_DEV_ECC_DBE_VOL_TOTAL{GPU}"
XID_SINCE = f"DCGM_FI_DEV_XID_ERROR{GPU}"
FIT_FAILED, FIT_DONE = (of("leadtime_forecast_fits_total", outcome=outcome) for outcome in ("failed", "done"))
FACTOR = of("leadtime_step_time_factor_ratio", pool="p", term="a")
PREEMPTED = 'vllm:num_preemptions_total{leadtime_service="chat", leadtime_replica="chat-0", model_name="m", engine="0"}'
LIMITED, LET_IN = (f'leadtime_gateway_tenant_{what}_total{{tenant="t"}}' for what in ("limited", "requests"))
BUSY, IDLE, FAULTY = (f'leadtime_gpus{{state="{state}"}}' for state in ("busy", "idle", "faulty"))
COST = of("leadtime_cost_dollars_per_hour")
TICKS, FAILED, LATE = (f"leadtime_{what}_total" for what in ("ticks", "failed_ticks", "tick_overruns"))
LEADS, FOLLOWS = (f'leadtime_leading{{instance="{pod}"}}' for pod in ("a", "b"))

SCENES = (
    Scene("LeadtimeSloBurnFast", misses(20), misses(10), 90),
    Scene("LeadtimeSloBurnSlow", misses(8), misses(5), 420),
    Scene("LeadtimeShortfallRisk", *tally("0.3x90", "0.3x20 0.1x70", of("leadtime_shortfall_risk_ratio"))),
    Scene("LeadtimeAtMaximum", *bound("max")),
    Scene("LeadtimeAtBudget", *bound("budget")),
    Scene("LeadtimeAtInventory", *bound("inventory")),
    Scene(
        "LeadtimeStandbyExhausted",
        {STANDBY: "2x30 0x60", DESIRED: "5x90", ACTIVE: "4x90"},
        {STANDBY: "0x90", DESIRED: "5x90", ACTIVE: "4x90"},
        50,
    ),
    Scene("LeadtimeForecastOff", {LOAD: "5x600", P95: "4x600"}, {LOAD: "5x600", P95: "6x600"}, 420),
    Scene("LeadtimeDaemonSilent", {"up": "1x90"}, {TICKS: "0+4x90"}),
    Scene("LeadtimeNotTicking", {TICKS: "100x90"}, {TICKS: "0+4x90"}),
    Scene("LeadtimeNobodyLeads", {LEADS: "0x90", FOLLOWS: "0x90"}, {LEADS: "1x30 0x60", FOLLOWS: "0x30 1x60"}),
    Scene("LeadtimeTicksFailing", {TICKS: "0+4x90", FAILED: "0+3x90"}, {TICKS: "0+4x90", FAILED: "0+1x90"}),
    Scene("LeadtimeTicksLate", {LATE: "0+1x90"}, {LATE: "0x90"}),
    Scene("LeadtimeDataStale", *tally("0+60x90", "20x90", of("leadtime_data_age_seconds"))),
    Scene(
        "LeadtimeNeverSeen",
        {of("leadtime_policy_knob", knob="risk.headroom"): "1x90"},
        {of("leadtime_policy_knob", knob="risk.headroom"): "1x90", of("leadtime_data_age_seconds"): "5x90"},
    ),
    Scene(
        "LeadtimeFitsFail",
        {FIT_FAILED: "0+1x300"},
        {FIT_FAILED: "0+1x300", FIT_DONE: "0+1x300"},
        200,
    ),
    Scene(
        "LeadtimeCertificateEnds",
        *tally("1209700-60x90", "1300000-60x90", 'leadtime_certificate_remaining_seconds{listener="agents"}'),
        80,
    ),
    Scene("LeadtimeModelOld", *tally("180000+60x90", "0+60x90", of("leadtime_forecast_model_age_seconds")), 80),
    Scene("LeadtimeStepTimeDrift", {FACTOR: "0.5x90"}, {FACTOR: "1.2x90"}, 80),
    Scene("LeadtimeTuningRegret", *tally("0.4x1500", "0.4x700 0.1x800", of("leadtime_tuning_regret_ratio")), 1450),
    Scene("LeadtimeReplicasNotComing", *bound("unschedulable")),
    Scene("LeadtimeReplicasMissing", {DESIRED: "5x90", ACTIVE: "4x90"}, {DESIRED: "5x90", ACTIVE: "4x20 5x70"}),
    Scene("LeadtimeReplicaFailed", *tally("1x90", "1x5 0x90", of("leadtime_replicas", state="failed"))),
    Scene("LeadtimeDrainStuck", *tally("1x90", "1x20 0x3 1x70", of("leadtime_replicas", state="draining")), 75),
    Scene("LeadtimeOscillation", {OUT: "0+0.2x90", IN: "0+0.2x90"}, {OUT: "0+0.2x90", IN: "0x90"}),
    Scene("LeadtimeHeldByHand", *tally("1x1500", "1x700 0x800", of("leadtime_overrides", kind="pin")), 1450),
    Scene("LeadtimeSickReplicas", *tally("1x90", "1x10 0x80", of("leadtime_sick_replicas"))),
    Scene("LeadtimeCostJump", {COST: "10x2880 25x100"}, {COST: "10x2880 15x100"}, 2950),
    Scene("LeadtimeGpusIdle", {BUSY: "2x500", IDLE: "6x500"}, {BUSY: "6x500", IDLE: "2x500"}, 450),
    Scene(
        "LeadtimeRouterRejecting",
        {gateway("arrived"): "0+100x90", gateway("rejected"): "0+5x90"},
        {gateway("arrived"): "0+200x90", gateway("rejected"): "0+1x90"},
    ),
    Scene(
        "LeadtimeRouterLosing",
        {gateway("ended"): "0+100x90", gateway("lost"): "0+1x90"},
        {gateway("ended"): "0+100x90", gateway("lost"): "7x90"},
    ),
    Scene("LeadtimeRouterHolding", *tally("3x90", "3x2 0x2 " * 15, of("leadtime_gateway_requests_held"))),
    Scene("LeadtimeRouterBlind", *tally("0+1x90", "3x90", "leadtime_gateway_fleet_errors_total")),
    Scene("LeadtimeTenantLimited", {LIMITED: "0+5x90", LET_IN: "0+5x90"}, {LIMITED: "0+1x90", LET_IN: "0+50x90"}, 80),
    Scene("LeadtimeEnginePreempting", {PREEMPTED: "0+12x90"}, {PREEMPTED: "0+3x90"}),
    Scene("LeadtimeGpuXid", {XID: "0x50 79x40"}, {XID: "0x20 13x20 43x50"}),
    Scene("LeadtimeGpuEcc", {ECC: "0x50 1x40"}, {ECC: "2x90"}),
    Scene("LeadtimeGpuRowRemap", *tally("1x90", "0x90", f"DCGM_FI_DEV_ROW_REMAP_FAILURE{GPU}")),
    Scene("LeadtimeGpuHot", *tally("91x90", "70x58 95x30", f"DCGM_FI_DEV_GPU_TEMP{GPU}"), 59),
    Scene("LeadtimeGpusFaulty", {FAULTY: "1x90"}, {FAULTY: "1x5 0x90"}),
)

SINCE = (
    Scene("LeadtimeGpuXid", {XID_SINCE: "0x350 79x60"}, {XID: "79x300", XID_SINCE: "_x301 79x200"}, 400),
    Scene("LeadtimeGpuRowRemap", *tally("1x90", "0x90", f"DCGM_FI_DEV_ROW_REMAP_FAILED{GPU}")),
    Scene("LeadtimeGpuHot", *tally("91x90", "70x58 95x30", f"DCGM_FI_DEV_GPU_TEMP_CELSIUS{GPU}"), 59),
)
"""The same alerts by the names that dcgm-exporter has from 4.9 on; the first is quiet over the exporter's upgrade."""
