"""What all payloads of the API have in common: that unknown keys are errors, and how a change is signed.

All times are UTC seconds since the epoch; ``None`` means not known, never zero.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from autoscaler.actor import signature

Author = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$"), AfterValidator(signature)]
"""Who signs a change: whoever was let in, whatever the request claims; the claim where nobody is asked."""

Reason = Annotated[str, Field(min_length=3, max_length=2000, pattern=r"^[^\x00]*$")]
"""Why a change is made."""


class Schema(BaseModel):
    """Base of all payloads: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid")
