"""Names are told apart by what stands around them."""

from __future__ import annotations

import pytest

from dashboards.promql import Selector, used


def test_metrics_functions_and_groups_are_told_apart() -> None:
    found = used('sum by (service, le) (rate(a:b_total{x="1", y!~"z|q"}[5m])) / on (service) max(c) > bool 2.5e')
    assert found.selectors[:2] == (Selector("a:b_total", (("x", "=", "1"), ("y", "!~", "z|q"))), Selector("c"))
    assert found.grouped == {"service", "le"}


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("avg_over_time(a[6h]) < 0.85 unless b offset 1d", ["a", "b"]),
        ("min_over_time(sum by (x) (a)[30m:1m]) > 0", ["a"]),
        ('label_replace(a, "x", "$1", "y", "(.+){3}")', ["a"]),
        ("rate(a[$__rate_interval]) * ${scale}", ["a"]),
        ("a{} and on () b or ignoring (c) group_left (d) e", ["a", "b", "e"]),
        ("a == 1 != 2 >= -3", ["a"]),
    ],
)
def test_what_is_no_metric_is_not_taken_for_one(expression: str, names: list[str]) -> None:
    assert [selector.metric for selector in used(expression).selectors] == names


def test_what_is_no_token_is_said() -> None:
    with pytest.raises(ValueError, match="no PromQL token at '& b'"):
        used("a & b")
