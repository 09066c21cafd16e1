"""Records as few bytes: JSON, deflated with the words that records are made of known beforehand.

A decision is small and most of it is names, bounds and phrases that every other decision has too; with
``data/words-1.txt`` as the dictionary it takes well under half of the bytes. A stream names its dictionary by its
checksum (RFC 1950, FDICT), so streams of older dictionaries, and of none, are read as ever. Promise: a dictionary
that was ever used to write is never changed and never taken away; a better one is a further file.
"""

from __future__ import annotations

import json
import zlib
from importlib.resources import files
from typing import Any

LEVEL = 6
_HAS_DICTIONARY = 0x20
_DATA = files("autoscaler.store") / "data"

NEWEST = (_DATA / "words-1.txt").read_bytes()
DICTIONARIES = {zlib.adler32(NEWEST): NEWEST}


def pack(value: Any) -> bytes:
    """Bytes of a JSON value. Raises ValueError for NaN and infinities, which JSON lacks."""
    deflate = zlib.compressobj(LEVEL, zdict=NEWEST)
    text = json.dumps(value, separators=(",", ":"), allow_nan=False).encode()
    return deflate.compress(text) + deflate.flush()


def unpack(packed: bytes) -> Any:
    """The value again. Raises ValueError where it was packed with a dictionary that this version does not have."""
    if not packed[1] & _HAS_DICTIONARY:
        return json.loads(zlib.decompress(packed))
    checksum = int.from_bytes(packed[2:6], "big")
    if checksum not in DICTIONARIES:
        raise ValueError(f"store: a record needs dictionary {checksum:08x}; a newer version of Leadtime wrote it")
    return json.loads(zlib.decompressobj(zdict=DICTIONARIES[checksum]).decompress(packed))
