"""Replicas and money: what does not come, does not leave, swings, or costs more than it did."""

from __future__ import annotations

from dashboards.alert import SERVICE, Alert, explain

PAGE = f"service?service={SERVICE}"

ALERTS = (
    Alert(
        "LeadtimeReplicasNotComing",
        'service:leadtime_bound:increase10m{reason="unschedulable"} > 0',
        "1m",
        "critical",
        f"{SERVICE}: replicas were asked for and none came",
        "More than twice the P90 of a launch has passed: the GPU type is sold out, a quota is used up, or the image"
        " does not start.",
        f"{explain()} says how many and since when; look at the pods' events (`kubectl describe pod`) or the agent's"
        f" log, raise the"
        " quota, or add a pool on another GPU type.",
        PAGE,
    ),
    Alert(
        "LeadtimeReplicasMissing",
        "min_over_time(service:leadtime_missing_replicas:max[15m]) > 0",
        "15m",
        "warning",
        f"{SERVICE}: {{{{ $value | humanize }}}} fewer replicas serve than are wanted, for half an hour",
        "Launches take longer than usual, or replicas fail as fast as they start.",
        f"Compare `leadtime_lead_time_seconds` on the service dashboard with {explain()}; look for replicas in the"
        f" state failed.",
        PAGE,
    ),
    Alert(
        "LeadtimeReplicaFailed",
        'max by (service) (leadtime_replicas{state="failed"}) > 0',
        "10m",
        "warning",
        f"{SERVICE}: {{{{ $value | humanize }}}} replicas have failed",
        "They cost money and serve nothing.",
        "Read the engine's log (`kubectl logs POD --previous`): out of memory and a wrong model path are the usual"
        " reasons; then delete the pod or"
        " restart the agent's replica.",
        PAGE,
    ),
    Alert(
        "LeadtimeDrainStuck",
        'min_over_time(sum by (service) (max by (service, state) (leadtime_replicas{state="draining"}))[30m:1m]) > 0',
        "30m",
        "warning",
        f"{SERVICE}: a replica has been draining for an hour",
        "Requests are never aborted, so a stream that does not end keeps its replica.",
        f"The Service page names it and what it still runs; end that stream or its replica by hand. {explain()} has"
        f" the deadline.",
        PAGE,
    ),
    Alert(
        "LeadtimeOscillation",
        'service:leadtime_moves:increase30m{action="scale_out"} >= 2.5 and on (service)'
        ' service:leadtime_moves:increase30m{action="scale_in"} >= 2.5',
        "5m",
        "warning",
        f"{SERVICE} went up and down at least three times each within half an hour",
        "Every turn pays for a launch and gains nothing.",
        "Lengthen `scale_in.window_s` or lower `reactive.scale_in_below` (`leadtime policy apply`); try it on this"
        " traffic first with"
        f" `leadtime policy shadow {SERVICE}`.",
        PAGE,
    ),
    Alert(
        "LeadtimeHeldByHand",
        'max by (service, kind) (leadtime_overrides{kind=~"freeze|pin"}) > 0',
        "1d",
        "info",
        f"{SERVICE} has been under a {{{{ $labels.kind }}}} for a day",
        "A person's word stands over the controller, which cannot follow the load.",
        "`leadtime policy overrides` says whose; `leadtime policy lift ID` ends it.",
        f"policies?service={SERVICE}",
    ),
    Alert(
        "LeadtimeSickReplicas",
        "max by (service) (leadtime_sick_replicas) > 0",
        "15m",
        "warning",
        f"{SERVICE}: {{{{ $value | humanize }}}} replicas run on a sick GPU",
        "They count as no capacity and still cost money.",
        f"{explain()} names GPU and reason; Leadtime drains and replaces them, you reset the GPU or reboot its node.",
        PAGE,
    ),
    Alert(
        "LeadtimeCostJump",
        "max by (service) (leadtime_cost_dollars_per_hour)"
        " > 2 * max by (service) (avg_over_time(leadtime_cost_dollars_per_hour[1d] offset 1d))",
        "30m",
        "info",
        f"{SERVICE} costs ${{{{ $value | humanize }}}} an hour, more than twice what it did",
        "Either the load has doubled or something holds too much.",
        f"{explain()} names the voice that asked for it; set `budget_usd_per_hour` where it must not go on.",
        PAGE,
    ),
    Alert(
        "LeadtimeGpusIdle",
        'sum(max by (state) (avg_over_time(leadtime_gpus{state=~"idle|idle_held"}[6h])))'
        " / sum(max by (state) (avg_over_time(leadtime_gpus[6h]))) > 0.5",
        "1h",
        "info",
        "{{ $value | humanizePercentage }} of the GPUs were idle in the last six hours",
        "They are paid for and do nothing.",
        "Lower `replicas.min` or `standby.min`, let services share a rack, or lend the GPUs out; the cost dashboard"
        " says whose they are.",
    ),
)
