"""Shortest predicted first inside vLLM: ``--scheduler-cls runtime.schedulers.predicted.PredictedScheduler``.

The waiting request whose answer is expected to be short goes first, by classes of length; equal classes go in the
order of arrival, and whoever has waited ``patience_s`` goes before all. Where the pool's step time is given, prefills
get as many tokens of a step as leave it within the target for a token.
"""

from __future__ import annotations

from typing import Any

from runtime.schedulers import arithmetic
from runtime.schedulers.lines import Entry
from runtime.schedulers.scheduler import PolicyScheduler
from runtime.schedulers.waiting import Request


class PredictedScheduler(PolicyScheduler):
    """Order by predicted answer and an adaptive prefill budget; admission and victims are vLLM's."""

    title = "shortest predicted"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.max_num_scheduled_tokens: int
        self._budget: int = self.max_num_scheduled_tokens
        self._per_decode = 1 + self.num_spec_tokens

    def line(self, request: Request, prefill_tokens: int) -> int:
        """By class of predicted answer."""
        return 1 + arithmetic.length_class(self.predicted_tokens(request))

    def next_waiting(self, now_s: float) -> Entry[Request] | None:
        """Whoever is overdue, or else the shortest."""
        heads = self.waiting.lines.heads()
        return arithmetic.overdue(heads, now_s, self.settings.patience_s) or arithmetic.shortest_predicted(heads)

    def schedule(self, throttle_prefills: bool = False) -> Any:
        """One step, as vLLM does it, within a budget that follows what decodes."""
        step = self.settings.step
        if step is not None:
            decoding = [request for request in self.running if not request.is_prefill_chunk]
            tokens, held = len(decoding) * self._per_decode, sum(request.num_computed_tokens for request in decoding)
            room = arithmetic.prefill_room(self._budget, tokens, held, step, self.settings.tpot_s)
            self.max_num_scheduled_tokens = tokens + room
        return super().schedule(throttle_prefills)

    def state(self) -> str:
        """The budget of the last step."""
        if self.settings.step is None:
            return f"prefill budget not adaptive, {self._budget} tokens a step"
        return f"{self.max_num_scheduled_tokens} of {self._budget} tokens in the last step"
