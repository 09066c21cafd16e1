"""The versions of Kubernetes whose published schemas every generated document is held to.

``kubernetes-validate`` ships the schemas; it reads twenty megabytes for every document, so they are kept here.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import kubernetes_validate
from kubernetes_validate import utils

VERSIONS = ("1.30", "1.31", "1.32", "1.33", "1.34", "1.35", "1.36")

utils.schema_contents = cache(utils.schema_contents)


def taken(document: dict[str, Any], version: str) -> None:
    """Raise ``ValidationError`` for what that version's API server would refuse; unknown fields too."""
    assert kubernetes_validate.validate(document, version, strict=True) == version
