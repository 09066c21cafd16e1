"""The chunked coding of HTTP/1.1, taken apart as it comes, whatever pieces it comes in. Pure."""

from __future__ import annotations

from dataclasses import dataclass

LONGEST_LINE = 4096


@dataclass(slots=True)
class Chunks:
    """``left`` is what is still to come of a chunk, the line break behind it included; ``rest`` what was not used."""

    rest: bytes = b""
    left: int = 0
    last: bool = False
    ended: bool = False

    def feed(self, data: bytes) -> bytes:
        """The content in these bytes; raises ValueError for what is no such coding."""
        self.rest += data
        made = []
        while not self.ended:
            if self.left > 2:
                piece = self.rest[: self.left - 2]
                if not piece:
                    break
                made.append(piece)
                self.rest = self.rest[len(piece) :]
                self.left -= len(piece)
                continue
            if len(self.rest) < self.left:
                break
            if self.left and not b"\r\n".endswith(self.rest[: self.left]):
                raise ValueError("no end of a chunk")
            line, mark, after = self.rest[self.left :].partition(b"\r\n")
            if not mark:
                if len(line) > LONGEST_LINE:
                    raise ValueError("no size of a chunk")
                break
            self.left, self.rest = 0, after
            self._line(line)
        return b"".join(made)

    def _line(self, line: bytes) -> None:
        """The size of a chunk, or after the last one a trailer or its end."""
        if self.last:
            self.ended = not line
            return
        size = int(line.split(b";")[0], 16)
        if size < 0:
            raise ValueError("a chunk of less than nothing")
        self.last = size == 0
        self.left = size + 2 if size else 0
