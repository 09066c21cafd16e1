"""What can be forecast of a series, and in which unit; light enough for ``leadtime --help``."""

from __future__ import annotations

from enum import StrEnum


class Of(StrEnum):
    """The quantity."""

    LOAD = "load"
    REQUESTS = "requests"
    INPUT_TOKENS = "input_tokens"
    OUTPUT_TOKENS = "output_tokens"


class Which(StrEnum):
    """The value at the horizon, the greatest until then, or both."""

    END = "end"
    PEAK = "peak"
    BOTH = "both"


UNITS = {
    Of.LOAD: "erlangs",
    Of.REQUESTS: "requests per minute",
    Of.INPUT_TOKENS: "input tokens per minute",
    Of.OUTPUT_TOKENS: "output tokens per minute",
}
