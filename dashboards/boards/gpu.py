"""GPUs: what they really do, what they draw, which of them ail; by the names of any dcgm-exporter."""

from __future__ import annotations

from dashboards.board import NODES, Board, Panel, Query, Row, Threshold
from dashboards.boards.shared import more_is_bad
from dashboards.dcgm import either, rated

N = '{leadtime_node=~"$node"}'
BY = "max by (leadtime_node, gpu)"
LEGEND = "{{leadtime_node}} {{gpu}}"


def board() -> Board:
    """The dashboard."""
    rows = (Row("Health", health()), Row("Work", work()), Row("Power and memory", power()))
    text = "Every GPU: faults, activity of tensor cores and memory, power, energy and heat."
    return Board("leadtime-gpu", "Leadtime / GPUs", text, rows, (NODES,))


def each(
    title: str, text: str, unit: str, expr: str, thresholds: tuple[Threshold, ...] = (), most: float | None = None
) -> Panel:
    """One line for each GPU."""
    return Panel(title, text, unit, (Query(expr, LEGEND),), width=8, thresholds=thresholds, most=most, least=0)


def health() -> tuple[Panel, ...]:
    """What asks for a person."""
    return (
        Panel(
            "GPUs with an XID that asks for more than a new process",
            "The last XID of each; the gauge keeps it until the driver is loaded again.",
            "none",
            (Query(f"max by (leadtime_node, gpu, UUID, modelName) (gpu:dcgm_xid_errors:urgent{N})"),),
            "table",
        ),
        Panel(
            "Memory faults",
            "Errors that could not be corrected in the last hour, and rows that could not be remapped.",
            "none",
            (
                Query(f"{BY} (increase(DCGM_FI_DEV_ECC_DBE_VOL_TOTAL{N}[1h])) > 0", f"{LEGEND} ECC"),
                Query(f"{BY} {either('DCGM_FI_DEV_ROW_REMAP_FAILURE', N)} > 0", f"{LEGEND} row remap"),
            ),
            thresholds=((None, "green"), (1, "red")),
            least=0,
        ),
        each(
            "Temperature",
            "At 90 °C for two minutes the alert fires and Leadtime replaces the replica.",
            "celsius",
            f"{BY} {either('DCGM_FI_DEV_GPU_TEMP', N)}",
            more_is_bad(80, 90),
        ),
        each("Last XID", "0 is none.", "none", f"{BY} {either('DCGM_FI_DEV_XID_ERRORS', N)}"),
        Panel(
            "GPUs by use",
            "Of the whole fleet: busy, held by a replica that does nothing, idle, faulty.",
            "none",
            (Query("max by (state) (leadtime_gpus)", "{{state}}"),),
            width=8,
            stacked=True,
            least=0,
        ),
    )


def work() -> tuple[Panel, ...]:
    """What the hardware does. Utilisation alone says little: any decode loop shows 100 %."""
    return (
        each(
            "Tensor cores",
            "Share of cycles in which tensor cores worked: high while prompts are read.",
            "percentunit",
            f"{BY} {either('DCGM_FI_PROF_PIPE_TENSOR_ACTIVE', N)}",
            most=1,
        ),
        each(
            "Memory bandwidth",
            "Share of cycles in which memory moved data: high while tokens are written; about 0.8 is the most there"
            " is.",
            "percentunit",
            f"{BY} {either('DCGM_FI_PROF_DRAM_ACTIVE', N)}",
            most=1,
        ),
        each(
            "Multiprocessors",
            "Share of cycles in which a multiprocessor had work.",
            "percentunit",
            f"{BY} {either('DCGM_FI_PROF_SM_ACTIVE', N)}",
            most=1,
        ),
        each(
            "Utilisation",
            "Share of time in which some kernel ran; it is near 100 % in any busy engine, so never scale on it.",
            "percentunit",
            f"{BY} {either('DCGM_FI_DEV_GPU_UTIL', N)}",
            most=1,
        ),
    )


def power() -> tuple[Panel, ...]:
    """Watts, joules a token, bytes."""
    joules = f"sum({rated('DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION', N, '5m')})"
    used, free = either("DCGM_FI_DEV_FB_USED", N), either("DCGM_FI_DEV_FB_FREE", N)
    tokens = "(sum(service:vllm_prompt_tokens:rate5m) + sum(service:vllm_generation_tokens:rate5m) > 0)"
    return (
        each("Power", "What each GPU draws.", "watt", f"{BY} {either('DCGM_FI_DEV_POWER_USAGE', N)}"),
        Panel(
            "Energy per token",
            "Of the nodes chosen, over prompt and generated tokens of the whole fleet; choose all nodes.",
            "joule",
            (Query(f"{joules} / {tokens}", "J per token"),),
            width=8,
            least=0,
        ),
        each(
            "Memory in use",
            "Engines take nearly all at the start: it tells whether a model is resident, not how busy it is.",
            "percentunit",
            f"{BY} ({used} / ({used} + {free}))",
            most=1,
        ),
    )
