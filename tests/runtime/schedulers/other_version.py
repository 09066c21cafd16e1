"""LARRY as it would find an older vLLM."""

from __future__ import annotations

from typing import Any

import vllm

from runtime.schedulers.larry import LarryScheduler


class Scheduler(LarryScheduler):
    """Sees another version while it starts."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        real, vllm.__version__ = vllm.__version__, "0.31.9"
        try:
            super().__init__(*args, **kwargs)
        finally:
            vllm.__version__ = real
