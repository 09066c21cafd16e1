"""Text without the secrets in it: for logs, errors, gaps, and whatever else a text may be shown in. Pure.

Libraries put whole addresses into their errors, and addresses carry passwords. Promise: what looks like a credential
comes out as ``…``, everything else as it was.
"""

from __future__ import annotations

import re

HIDDEN = "…"

PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    # scheme://user:password@host, the password as far as the last @ before the path.
    (re.compile(r"(?<=://)([^/\s'\"<>:@]*):[^/\s'\"<>]+@"), rf"\1:{HIDDEN}@"),
    # Our tokens keep their id, which is no secret and tells which one to revoke.
    (re.compile(r"\bleadtime_([0-9a-f]{12})_[0-9a-f]+"), rf"leadtime_\1_{HIDDEN}"),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"), HIDDEN),
    (re.compile(r"(?i)\b(bearer|basic)(\s+)(?!leadtime_)(?=\S*\d)[\w.~+/=-]{12,}"), rf"\1\2{HIDDEN}"),
    (re.compile(r"(?i)(?<![a-z])(pass(?:word|wd)?|secret|token|api_?key|sig(?:nature)?)=[^\s&'\"]+"), rf"\1={HIDDEN}"),
    # Whoever knows these addresses may post there.
    (re.compile(r"(?<=hooks\.slack\.com/)[^\s'\"]+"), HIDDEN),
)


def redacted(text: str) -> str:
    """The text with every credential hidden."""
    for pattern, shown in PATTERNS:
        text = pattern.sub(shown, text)
    return text
