"""Hardware: what NVIDIA's exporter says of a GPU that must be reset, rebooted, cooled or replaced."""

from __future__ import annotations

from dashboards.alert import Alert
from dashboards.dcgm import either

XID = "DCGM_FI_DEV_XID_ERRORS"
GPU = "GPU {{ $labels.gpu }} of {{ $labels.leadtime_node }}"
BY = "max by (leadtime_node, gpu, UUID)"
DRAIN = (
    "Leadtime has its replicas leave rotation. Cordon the node (`kubectl cordon {{ $labels.leadtime_node }}`), wait"
    " until they have"
    " drained, then"
)

ALERTS = (
    Alert(
        "LeadtimeGpuXid",
        f"{BY} (gpu:dcgm_xid_errors:urgent unless ({either(XID)} == {either(XID, offset='6h')}))",
        "0m",
        "critical",
        f"{GPU} reports XID {{{{ $value }}}}",
        "That error asks for more than a new process.",
        f"{DRAIN} reset the GPU (`nvidia-smi --gpu-reset -i {{{{ $labels.gpu }}}}`); reboot the node for XID 54, 79"
        f" and 151.",
    ),
    Alert(
        "LeadtimeGpuEcc",
        f"{BY} (increase(DCGM_FI_DEV_ECC_DBE_VOL_TOTAL[1h])) > 0",
        "0m",
        "critical",
        f"{GPU} had memory errors that could not be corrected",
        "What it computed since may be wrong.",
        f"{DRAIN} reset the GPU; if it comes back, have it replaced.",
    ),
    Alert(
        "LeadtimeGpuRowRemap",
        f"{BY} {either('DCGM_FI_DEV_ROW_REMAP_FAILURE')} > 0",
        "1m",
        "critical",
        f"{GPU} has no spare memory rows left",
        "The next memory error will not be mended.",
        f"{DRAIN} have the GPU replaced: a reset does not help.",
    ),
    Alert(
        "LeadtimeGpuHot",
        f"{BY} {either('DCGM_FI_DEV_GPU_TEMP')} >= 90",
        "2m",
        "warning",
        f"{GPU} is at {{{{ $value }}}} °C",
        "It slows down to protect itself, and its replica is late for every request.",
        "Look at fans, ducts and neighbours; lower its power limit (`nvidia-smi -i {{ $labels.gpu }} -pl WATTS`)"
        " until it is mended.",
    ),
    Alert(
        "LeadtimeGpusFaulty",
        'max(leadtime_gpus{state="faulty"}) > 0',
        "15m",
        "warning",
        "{{ $value | humanize }} GPUs are faulty and still paid for",
        "They carry no replica.",
        "The Fleet page names them; reset, reboot or give them back to the provider.",
    ),
)
