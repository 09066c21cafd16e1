"""The router and the engines behind it: requests that are refused, lost, held or preempted."""

from __future__ import annotations

from dashboards.alert import SERVICE, Alert, explain

PAGE = f"service?service={SERVICE}"

ALERTS = (
    Alert(
        "LeadtimeRouterRejecting",
        "service:leadtime_rejected:ratio_rate5m > 0.01",
        "5m",
        "critical",
        f"{SERVICE}: the router turns {{{{ $value | humanizePercentage }}}} of the requests away",
        "The line in front of the replicas is full, or nothing serves.",
        f"{explain()}; if replicas are on their way, wait; else `leadtime policy at-least {SERVICE} N --for 1h"
        f" --reason rejects`.",
        PAGE,
    ),
    Alert(
        "LeadtimeRouterLosing",
        "service:leadtime_lost:ratio_rate5m > 0.001",
        "5m",
        "warning",
        f"{SERVICE}: {{{{ $value | humanizePercentage }}}} of the requests break off",
        "Replicas die or drop connections faster than retries and continuation can mend.",
        "The router's log names the replica (`kubectl logs -l app.kubernetes.io/component=router`); look for failed"
        " replicas, XIDs and out-of-memory kills on its node.",
        PAGE,
    ),
    Alert(
        "LeadtimeRouterHolding",
        "sum by (service) (min_over_time(leadtime_gateway_requests_held[5m])) > 0",
        "2m",
        "warning",
        f"{SERVICE}: {{{{ $value | humanize }}}} requests have been waiting at the router for minutes",
        "More comes than the replicas in rotation take.",
        f"{explain()} says what is on its way; a waiting line without a scale-out means that a limit binds.",
        PAGE,
    ),
    Alert(
        "LeadtimeRouterBlind",
        "sum(increase(leadtime_gateway_fleet_errors_total[5m])) > 0",
        "5m",
        "warning",
        "The router cannot ask the fleet for its replicas",
        "It goes on with those that it knew last; new ones get no request and gone ones fail.",
        "Check the fleet's address in the router's configuration, and its rights on pods (`leadtime doctor`).",
    ),
    Alert(
        "LeadtimeTenantLimited",
        "sum by (tenant) (rate(leadtime_gateway_tenant_limited_total[15m]))"
        " / (sum by (tenant) (rate(leadtime_gateway_tenant_limited_total[15m]))"
        " + sum by (tenant) (rate(leadtime_gateway_tenant_requests_total[15m]))) > 0.1",
        "30m",
        "info",
        "Tenant {{ $labels.tenant }} is over its quota with {{ $value | humanizePercentage }} of its requests",
        "It is told to come again later; others are not touched.",
        "Raise its quota in the router's file (`tenants`), or talk to it; the cost dashboard shows its tokens.",
    ),
    Alert(
        "LeadtimeEnginePreempting",
        "sum by (leadtime_service, leadtime_replica) (rate(vllm:num_preemptions_total[5m])) > 0.1",
        "10m",
        "warning",
        "{{ $labels.leadtime_replica }} preempts {{ $value | humanize }} requests a second",
        "Its KV memory is full: running requests are thrown out and computed again.",
        "Give `{{ $labels.leadtime_service }}` more replicas (`leadtime policy at-least`) or more KV blocks"
        " (`--gpu-memory-utilization`,"
        " a shorter `--max-model-len`); one replica alone points at the router's policy.",
        "service?service={{ $labels.leadtime_service }}",
    ),
)
