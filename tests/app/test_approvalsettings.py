"""Which changes need a second person names fields that there are."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from app.approvalsettings import ApprovalSettings


def test_fields_and_groups_are_known() -> None:
    names = ["slo", "replicas.max", "budget_usd_per_hour", "*"]
    assert ApprovalSettings(fields=names).rule().fields == tuple(names)
    assert ApprovalSettings().rule().fields == ()


@pytest.mark.parametrize("name", ["replicas.most", "slo.ttft_s.more", "", "Mode"])
def test_another_name_is_refused_with_what_would_be_right(name: str) -> None:
    with pytest.raises(ValidationError, match=r"a policy has no field .*give such as slo"):
        ApprovalSettings(fields=[name])
