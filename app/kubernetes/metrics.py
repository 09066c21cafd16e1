"""Whether Prometheus has what is read from it: engines under our label, and every DCGM field. Blocking."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from app.check import Check
from collectors.dcgm import PREFIX, RULES
from collectors.engines import ENGINES
from collectors.gateway import ARRIVED
from collectors.prometheus import NODE_LABEL
from collectors.promql import Prometheus, SourceUnavailable

REPLICA_LABEL = "leadtime_replica"
SCRAPE = "see deploy/prometheus/scrape.yaml"
CSV = "give dcgm-exporter deploy/dcgm-exporter/counters.csv"


def seen(url: str, kinds: Iterable[str], *, nodes: bool) -> Iterator[Check]:
    """Checks of what these kinds of engines, and exporters of GPUs if ``nodes`` are read, have left in Prometheus."""
    prometheus = Prometheus(url)
    try:
        for kind in sorted(set(kinds) & set(ENGINES)):
            anchor = "|".join(ENGINES[kind].anchor)
            found = prometheus.instant(f'count({{__name__=~"{anchor}",{REPLICA_LABEL}!=""}})')
            good = Check(f"metrics of {kind}", "ok", f"{found[0][2]:.0f} series with {REPLICA_LABEL}" if found else "")
            missing = f"no series of {kind} bear {REPLICA_LABEL}; {SCRAPE}"
            yield good if found else Check(f"metrics of {kind}", "warn", missing)
        if nodes:
            selector = f'{{__name__=~"{PREFIX}.*",{NODE_LABEL}!=""}}'
            rows = prometheus.instant(f"count by (__name__) ({selector})")
            yield fields({labels.get("__name__", "") for labels, _, _ in rows})
    except SourceUnavailable as error:
        yield Check("metrics", "fail", str(error))
    finally:
        prometheus.close()


def router_seen(url: str) -> bool | None:
    """Whether Prometheus has metrics of our router; None where it cannot be asked."""
    prometheus = Prometheus(url)
    try:
        return bool(prometheus.instant(f"count({ARRIVED})"))
    except SourceUnavailable:
        return None
    finally:
        prometheus.close()


def fields(names: Iterable[str]) -> Check:
    """Which of the fields that we read are there, by the names of series."""
    there = [name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX)]
    if not there:
        return Check("metrics of DCGM", "warn", f"no series bear {NODE_LABEL}, so GPUs are not seen; {SCRAPE}")
    missing = [rule.field for rule in RULES if not any(re.fullmatch(rule.pattern, name) for name in there)]
    if missing:
        return Check("metrics of DCGM", "warn", f"missing: {', '.join(missing)}; {CSV}")
    return Check("metrics of DCGM", "ok", f"all {len(RULES)} fields")
