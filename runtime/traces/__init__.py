"""Request traces: what arrived when, and how long it was; every public format becomes one value here.

``load`` recognises a file by its columns. What cannot be a trace is refused with one line that says where and why, so
that nobody replays half a file by mistake.
"""

from runtime.traces.load import load
from runtime.traces.trace import Keys, Trace, TraceError

__all__ = ["Keys", "Trace", "TraceError", "load"]
