"""The published schemas do refuse."""

from __future__ import annotations

from typing import Any

import kubernetes_validate
import pytest

from tests.kubernetes_versions import VERSIONS, taken

SERVICE: dict[str, Any] = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("spec", [{"port": [{"port": 1}]}, {"ports": [{"port": "one"}]}, {"ports": [{}]}])
def test_a_mistake_is_refused(version: str, spec: dict[str, Any]) -> None:
    with pytest.raises(kubernetes_validate.ValidationError):
        taken(SERVICE | {"spec": spec}, version)


def test_a_kind_that_a_version_does_not_have_is_no_pass() -> None:
    with pytest.raises(kubernetes_validate.SchemaNotFoundError):
        taken({"apiVersion": "apps/v1beta9", "kind": "Deployment", "metadata": {"name": "x"}}, "1.36")
