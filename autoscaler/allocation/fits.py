"""Whether given numbers of replicas fit on given domains: by counting, else by asking for a packing."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from autoscaler.allocation.placement import Domains, by_counting, counting
from autoscaler.allocation.program import Program, place


def fits(domains: Domains, sizes: Mapping[Fraction, int]) -> bool:
    """Whether ``sizes[gpus per replica]`` replicas can be placed."""
    wanted = {size: count for size, count in sizes.items() if count > 0}
    if by_counting(list(wanted)):
        return all(
            sum(size * count for size, count in wanted.items() if size >= row.size) <= row.gpus
            for row in counting(domains, list(wanted))
        )
    program = Program()
    columns = {size: [_fixed(program, count)] for size, count in wanted.items()}
    place(program, domains, columns)
    return program.solve({}, 0.0).x is not None


def _fixed(program: Program, count: int) -> int:
    column = program.column(upper=float(count), whole=True)
    program.row({column: 1.0}, low=float(count))
    return column
