"""What a backtest's numbers say, in words: figures as people read them, and the finding of each picture.

Pure, from rows with the field names of DESIGN 5 to text. What is not known is a dash, never a zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autoscaler.backtest.contenders import Ours

Row = Mapping[str, Any]

DASH = "–"
ORACLE = "oracle"
"""The policy that knows the load beforehand: a bound, and no competitor."""


def number(value: float | None, digits: int = 1) -> str:
    """``1,234.5``."""
    return DASH if value is None else f"{value:,.{digits}f}"


def usd(value: float | None) -> str:
    """Dollars: cents below a hundred, whole dollars above."""
    if value is None:
        return DASH
    return f"${value:,.2f}" if value < 100 else f"${value:,.0f}"


def percent(value: float | None, digits: int = 2) -> str:
    """A share from 0 to 1 as per cent; what is not quite all never reads as 100 %."""
    if value is None:
        return DASH
    shown = round(100 * value, digits)
    if shown == 100 and value < 1:
        return f">{100 - 10**-digits:g} %"
    return f"{shown:g} %"


def latency(seconds: float | None) -> str:
    """``38 ms`` below a second, ``1.25 s`` and ``5,972 s`` above."""
    if seconds is None:
        return DASH
    return f"{1000 * seconds:.0f} ms" if seconds < 0.9995 else f"{seconds:,.{2 if seconds < 100 else 0}f} s"


def span(seconds: float) -> str:
    """A time since the start: ``5 min``, ``6 h``, ``1 d``, ``1 d 12 h``."""
    minutes = round(seconds / 60)
    parts = ((minutes // 1440, "d"), (minutes // 60 % 24, "h"), (minutes % 60, "min"))
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or "0"


def headline(rows: Sequence[Row], goal: float) -> str:
    """What our policy did, and the cheapest of the others that kept the promise."""
    ours = next((row for row in rows if row["policy"] == Ours.name), None)
    best = cheapest([row for row in rows if row is not ours], goal)
    if ours is None:
        return f"{len(rows)} {'policy' if len(rows) == 1 else 'policies'} on the same traffic"
    if ours["attainment"] is None:
        return f"{ours['policy']} saw no requests"
    did = f"{ours['policy']} met the targets for {percent(ours['attainment'])} of requests at {usd(ours['cost_usd'])}"
    if not kept(ours, goal):
        other = f"{best['policy']} kept it at {usd(best['cost_usd'])}" if best else "no other policy kept it either"
        return f"{did}, short of the promised {percent(goal)}" + (f"; {other}" if len(rows) > 1 else "")
    if best is None:
        return did + (f"; no other policy kept the promised {percent(goal)}" if len(rows) > 1 else "")
    return f"{did}, {_against(ours['cost_usd'], best)}, the cheapest other policy that kept {percent(goal)}"


def keepers(rows: Sequence[Row], goal: float) -> str:
    """How many kept the promise, and who for the least."""
    policies = [row for row in rows if not is_oracle(row)]
    keeping = [row for row in policies if kept(row, goal)]
    best = cheapest(keeping, goal)
    if best is None:
        return f"None of {len(policies)} kept the promised {percent(goal)}"
    least = f"{best['policy']} for the least, {usd(best['cost_usd'])}"
    return f"{len(keeping)} of {len(policies)} kept the promised {percent(goal)}; {least}"


def trade(rows: Sequence[Row]) -> str:
    """Whether anybody was both cheaper and better than ours, and how far the oracle is."""
    ours = next((row for row in rows if row["policy"] == Ours.name and row["attainment"] is not None), None)
    others = [row for row in rows if row is not ours and row["attainment"] is not None]
    if ours is None or not others:
        return "What each policy cost, and what it attained"
    better = [str(row["policy"]) for row in others if not is_oracle(row) and _dominates(row, ours)]
    said = f"{_listed(better)} both cheaper and better than {Ours.name}" if better else ""
    said = said or f"No policy was both cheaper and better than {Ours.name}"
    bound = next((row for row in others if is_oracle(row) and row["cost_usd"]), None)
    return said + (f"; {Ours.name} cost {ours['cost_usd'] / bound['cost_usd']:.2f} times the oracle" if bound else "")


def followed(rows: Sequence[Row], short: Mapping[str, float | None]) -> str:
    """How our fleet followed the load; ``short`` is each policy's share of minutes with too few replicas."""
    ours = next((row for row in rows if row["policy"] == Ours.name), None)
    if ours is None:
        return "How each fleet followed the load"
    held = f"{Ours.name} held {number(ours['mean_replicas'])} replicas on average"
    return f"{held} and was short of the load {percent(short[Ours.name], 1)} of the time"


def is_oracle(row: Row) -> bool:
    """Whether a row is the oracle's, with or without its knob turned (``oracle@0.999``)."""
    return str(row["policy"]).split("@")[0] == ORACLE


def kept(row: Row, goal: float) -> bool:
    """Whether a policy met the targets for the promised share of requests."""
    return row["attainment"] is not None and row["attainment"] >= goal


def cheapest(rows: Sequence[Row], goal: float) -> Row | None:
    """The cheapest that kept the promise; the oracle does not compete."""
    keeping = [row for row in rows if kept(row, goal) and not is_oracle(row)]
    return min(keeping, key=lambda row: float(row["cost_usd"]), default=None)


def _dominates(row: Row, other: Row) -> bool:
    as_good = row["attainment"] >= other["attainment"] and row["cost_usd"] <= other["cost_usd"]
    same = row["attainment"] == other["attainment"] and row["cost_usd"] == other["cost_usd"]
    return as_good and not same


def _listed(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"{names[0]} was"
    return f"{', '.join(names[:-1])} and {names[-1]} were"


def _against(cost_usd: float, other: Row) -> str:
    if not other["cost_usd"]:
        return f"against nothing for {other['policy']}"
    change = cost_usd / other["cost_usd"] - 1
    if abs(change) < 0.005:
        return f"as much as {other['policy']}"
    return f"{percent(abs(change), 0)} {'less' if change < 0 else 'more'} than {other['policy']}"
