"""Plans against the simulator: how many replicas the busiest minutes need, over how many the closed forms plan.

python -m benchmarks.planner [--replicas 20]

Constant Poisson traffic at a rate for which about so many replicas are planned; lengths all alike, and varied
(lognormal, coefficient 1). 1.00 means that the plan is exact, more that it is too small. A dash: no fleet up to twice
the plan keeps 99 %, since single long prompts take longer than the target.
"""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.table import Table

from autoscaler.planning.candidates import Candidate, build, ways
from autoscaler.planning.carry import Asked, Carried, carry
from autoscaler.planning.confirm import confirm, drawn
from autoscaler.planning.prices import cheapest, shipped
from autoscaler.planning.traffic import of_numbers
from autoscaler.policy import Slo
from runtime.catalog.models import model

POOLS = (
    ("meta-llama/Llama-3.1-70B", "fp8", "H100-SXM", 2),
    ("meta-llama/Llama-3.1-70B", "fp8", "H200-SXM", 1),
    ("Qwen/Qwen3-32B", "bf16", "H100-SXM", 2),
    ("openai/gpt-oss-120b", "fp4", "H100-SXM", 2),
    ("meta-llama/Llama-3.1-8B", "fp8", "L4", 1),
)
SHAPES = ((200, 200), (1000, 250), (1000, 1000), (2000, 30), (4000, 400), (8000, 1000))
ASKED = Asked(Slo(ttft_s=2.0, tpot_s=0.05))


def candidate(name: str, precision: str, gpu: str, tensor: int) -> Candidate:
    """The pool of that name, on tensor parallelism alone."""
    shape = model(name)
    for one in build(shape.name, "vllm", ways(shape, [gpu], [precision], 8), cheapest(shipped())):
        if isinstance(one, Candidate) and (one.way.split.tensor, one.way.split.gpus) == (tensor, tensor):
            return one
    raise AssertionError(f"{name} {precision} on {gpu} TP{tensor} must fit")


def judged(one: Candidate, inputs: int, outputs: int, cv: float, replicas: int) -> str:
    """The limit that binds and the ratio, as a cell."""
    made = carry(one, of_numbers(1.0, inputs, outputs, length_cv=cv), ASKED)
    if not isinstance(made, Carried):
        return f"no: {made.limit}"
    traffic = of_numbers(0.9 * replicas * made.rps, inputs, outputs, length_cv=cv)
    made = carry(one, traffic, ASKED)
    assert isinstance(made, Carried)
    told = confirm(made, drawn(traffic, one.pool.step, cv, 1), ASKED, 1)
    return f"{made.rho.binding} " + ("–" if told.enough is None else f"{told.enough / told.planned:.2f}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replicas", type=int, default=20)
    given = parser.parse_args()
    table = Table(title=f"Replicas needed over planned, about {given.replicas} planned")
    table.add_column("pool")
    for inputs, outputs in SHAPES:
        table.add_column(f"{inputs}/{outputs}", justify="right")
    for name, precision, gpu, tensor in POOLS:
        one = candidate(name, precision, gpu, tensor)
        for cv in (0.0, 1.0):
            cells = [judged(one, inputs, outputs, cv, given.replicas) for inputs, outputs in SHAPES]
            table.add_row(f"{name.split('/')[1]} {one.way.name}, {'varied' if cv else 'alike'}", *cells)
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
