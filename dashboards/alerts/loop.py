"""The control loop itself: whether it runs, sees, and learns."""

from __future__ import annotations

from dashboards.alert import SERVICE, Alert, explain

PAGE = f"service?service={SERVICE}"

ALERTS = (
    Alert(
        "LeadtimeDaemonSilent",
        "absent(leadtime_ticks_total)",
        "5m",
        "critical",
        "No Leadtime daemon is scraped",
        "Nobody decides: replicas stay as they are, whatever the load does.",
        "See whether the daemon runs (`kubectl get pods -l app.kubernetes.io/name=leadtime`, or `leadtime doctor`)"
        " and whether Prometheus"
        " has its target.",
    ),
    Alert(
        "LeadtimeNotTicking",
        "sum(rate(leadtime_ticks_total[5m])) == 0",
        "2m",
        "critical",
        "The daemon answers and its loop stands still",
        "No daemon makes decisions, although one is scraped.",
        "Read its log for the last tick, then restart it (`kubectl rollout restart`): what it must remember is in the"
        " store.",
    ),
    Alert(
        "LeadtimeNobodyLeads",
        "sum(leadtime_leading) == 0",
        "2m",
        "critical",
        "Daemons run and none of them leads",
        "Nobody acts: replicas stay as they are, and no number of the fleet is exported.",
        "`leadtime doctor` says who holds the Lease and whether it may be written; a lead passes on within 30 s, so the"
        " API server does not answer or a right is missing.",
    ),
    Alert(
        "LeadtimeTicksFailing",
        "sum(rate(leadtime_failed_ticks_total[5m])) / sum(rate(leadtime_ticks_total[5m])) > 0.5",
        "5m",
        "critical",
        "{{ $value | humanizePercentage }} of the control loop's ticks fail",
        "Observing, deciding or applying raises an error.",
        "The log names it (`tick failed`); `leadtime doctor --config fleet.yaml` tries everything that the fleet"
        " file points at.",
    ),
    Alert(
        "LeadtimeTicksLate",
        "sum(increase(leadtime_tick_overruns_total[15m])) > 5",
        "5m",
        "warning",
        "{{ $value | humanize }} ticks were missed in 15 minutes",
        "A tick takes longer than the interval, so decisions are older than they should be.",
        "Compare `leadtime_tick_cpu_seconds` with the interval: near it, give the daemon more CPU; far below it,"
        " something that is"
        " scraped answers slowly (`leadtime doctor`).",
    ),
    Alert(
        "LeadtimeDataStale",
        "min by (service) (leadtime_data_age_seconds) > 120",
        "2m",
        "critical",
        f"{SERVICE}: no complete data for {{{{ $value | humanizeDuration }}}}",
        "The controller is blind, so it holds and never scales in.",
        f"{explain()} names the gap. Check engines' `/metrics`, the gateway and the fleet with `leadtime doctor`;"
        f" meanwhile `leadtime policy at-least {SERVICE} N --for 1h --reason blind` holds what you want.",
        PAGE,
    ),
    Alert(
        "LeadtimeNeverSeen",
        "group by (service) (leadtime_policy_knob) unless on (service) leadtime_data_age_seconds",
        "15m",
        "warning",
        f"{SERVICE} has a policy and has never been seen",
        "No complete observation since the daemon started, so nothing is decided for it.",
        "Check the service's targets with `leadtime doctor --config fleet.yaml`: a wrong label or port is the usual"
        " reason.",
        PAGE,
    ),
    Alert(
        "LeadtimeCertificateEnds",
        "min by (listener) (leadtime_certificate_remaining_seconds) < 1209600",
        "1h",
        "warning",
        "A certificate ({{ $labels.listener }}) ends in {{ $value | humanizeDuration }}",
        "Once it has ended, nobody believes the API, or an agent is left as it is and gets no orders.",
        "Renew it on disk, or see why that which renews it (cert-manager) does not; it is read again without a restart."
        " `leadtime doctor --config fleet.yaml` says which agent's it is.",
    ),
    Alert(
        "LeadtimeFitsFail",
        'max by (service) (increase(leadtime_forecast_fits_total{outcome="failed"}[3h])) > 0'
        ' unless on (service) max by (service) (increase(leadtime_forecast_fits_total{outcome="done"}[3h])) > 0',
        "10m",
        "warning",
        f"{SERVICE}: fits of the forecast fail and none succeeds",
        "Forecasts go on with the old models and with those that need no fit, and get worse.",
        "The daemon's log has the reason (`kubectl logs -l app.kubernetes.io/component=daemon`); free memory or disk"
        " on its"
        " machine.",
        f"forecasts?service={SERVICE}",
    ),
    Alert(
        "LeadtimeModelOld",
        "min by (service) (leadtime_forecast_model_age_seconds) > 172800",
        "1h",
        "info",
        f"{SERVICE}: forecast models were fitted {{{{ $value | humanizeDuration }}}} ago",
        "Models older than two days do not know this week.",
        "See whether fits fail or whether the history is too short for one: both stand in the daemon's log"
        " (`kubectl logs -l app.kubernetes.io/component=daemon`).",
        f"forecasts?service={SERVICE}",
    ),
    Alert(
        "LeadtimeStepTimeDrift",
        "max by (service, pool, term) (leadtime_step_time_factor_ratio) > 1.5"
        " or min by (service, pool, term) (leadtime_step_time_factor_ratio) < 0.67",
        "1h",
        "info",
        f"{SERVICE}: step time of {{{{ $labels.pool }}}} is {{{{ $value | humanize }}}} times the configured (term"
        f" {{{{ $labels.term }}}})",
        "What one replica carries is learned, and plans and backtests still use the configured figures.",
        "Fit the pool anew with `leadtime catalog fit` and put the four numbers into the fleet file.",
        PAGE,
    ),
    Alert(
        "LeadtimeTuningRegret",
        "max by (service) (leadtime_tuning_regret_ratio) > 0.25",
        "1d",
        "info",
        f"{SERVICE}: yesterday cost {{{{ $value | humanizePercentage }}}} more than with the best settings in"
        f" hindsight",
        "The policy's knobs do not fit this traffic.",
        f"Read the proposal on the Policies page; take it over with `tuning.mode: auto` or `leadtime policy shadow"
        f" {SERVICE}` first.",
        f"policies?service={SERVICE}",
    ),
)
