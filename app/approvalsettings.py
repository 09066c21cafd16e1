"""The approval part of ``fleet.yaml``: which changes of policy need a second person.

Promise: what loads names fields that a policy has.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field, field_validator

from app.section import Section
from autoscaler.policy import Policy
from autoscaler.store.proposals import SecondPerson

EXAMPLE = "slo, replicas.max, budget_usd_per_hour"


class ApprovalSettings(Section):
    """Which changes somebody else has to approve; none if absent. Going back to an older version never needs it."""

    fields: list[str] = Field(
        default_factory=list,
        description=f"Fields of a policy, or groups of them, such as {EXAMPLE}; '*' is every field.",
    )

    @field_validator("fields")
    @classmethod
    def known(cls, names: list[str]) -> list[str]:
        """Every name is a field's or a group's."""
        for name in names:
            if name != "*" and not is_field(Policy, name.split(".")):
                raise ValueError(f"a policy has no field {name!r}; give such as {EXAMPLE}, or '*' for every field")
        return names

    def rule(self) -> SecondPerson:
        """The value that changes are held against."""
        return SecondPerson(tuple(self.fields))


def is_field(model: Any, parts: list[str]) -> bool:
    """Whether a dotted name leads to a field of a model."""
    if not (isinstance(model, type) and issubclass(model, BaseModel)) or parts[0] not in model.model_fields:
        return False
    return len(parts) == 1 or is_field(model.model_fields[parts[0]].annotation, parts[1:])
