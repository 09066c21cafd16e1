"""vLLM's waiting queue, filled by a policy: the next request is whom the policy chooses, or nobody.

vLLM's ``schedule`` asks whether the queue holds anybody, looks at the next, and takes it once its blocks are found. A
queue that says it is empty while the policy admits nobody makes it stop there, and since it never looks past who is
next, freed blocks gather for that one: admission and head-of-line reservation without a copy of ``schedule``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from vllm.v1.core.sched.request_queue import RequestQueue

from runtime.schedulers.lines import FIRST, Entry, Lines

Request = Any
"""vLLM's; its types are not there where ours are checked."""


class PolicyQueue(RequestQueue):
    """Lines of entries. ``choose`` gives who joins next, or None; its answer holds until the queue changes."""

    def __init__(self, enter: Callable[[Request], Entry[Request]], choose: Callable[[], Entry[Request] | None]) -> None:
        self.lines: Lines[Request] = Lines()
        self._enter, self._choose = enter, choose
        self._entries: dict[str, Entry[Request]] = {}
        self._chosen: Entry[Request] | None = None
        self._current = False

    def renew(self) -> None:
        """The engine has moved on, so the policy is asked again."""
        self._current = False

    def entry(self, request: Request) -> Entry[Request]:
        """What the policy knows of a request that waits or runs."""
        return self._entries[request.request_id]

    def end(self, request: Request) -> None:
        """The request is over."""
        self._entries.pop(request.request_id, None)

    def add_request(self, request: Request) -> None:
        entry = self._entries[request.request_id] = self._enter(request)
        self.lines.append(entry)
        self.renew()

    def prepend_request(self, request: Request) -> None:
        entry = self.entry(request)
        if request.num_preemptions:
            entry.line = FIRST
        self.lines.put_first(entry)
        self.renew()

    def prepend_requests(self, requests: Iterable[Request]) -> None:
        for request in requests:
            self.prepend_request(request)

    def peek_request(self) -> Request:
        chosen = self._next()
        if chosen is None:
            raise IndexError("nobody may join")
        return chosen.request

    def pop_request(self) -> Request:
        request = self.peek_request()
        self.remove_request(request)
        return request

    def remove_request(self, request: Request) -> None:
        self.lines.remove(self.entry(request))
        self.renew()

    def remove_requests(self, requests: Iterable[Request]) -> None:
        for request in requests:
            entry = self._entries.get(request.request_id)
            if entry is not None and entry in self.lines:
                self.remove_request(request)

    def _next(self) -> Entry[Request] | None:
        if not self._current:
            self._chosen, self._current = self._choose(), True
        return self._chosen

    def __bool__(self) -> bool:
        """Whether somebody may join now: False also while all wait for memory."""
        return self._next() is not None

    def __len__(self) -> int:
        """All that wait."""
        return len(self.lines)

    def __iter__(self) -> Iterator[Request]:
        return (entry.request for entry in self.lines)
