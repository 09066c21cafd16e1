"""Names of clients, sessions and prefixes become dense numbers, which is all that routers and caches need of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from runtime.traces.trace import Keys


def is_key(kind: pa.DataType) -> bool:
    """Whether a column of that type holds keys; a column of whole numbers with gaps is often one of floats."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    return bool(text or pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind))


def dense(chunks: Sequence[pa.Array]) -> Keys | None:
    """Keys (n,) from 1 on, in the order in which names first come; 0 where there is none.

    A missing value, a NaN and an empty text are no names. None where nobody has one. ``chunks`` are of one type.
    """
    names = pa.chunked_array([named(chunk) for chunk in chunks])
    if names.null_count == len(names):
        return None
    places = pa.chunked_array([part.indices for part in names.dictionary_encode().chunks])
    keys: Keys = pc.fill_null(places, -1).to_numpy().astype(np.int32) + np.int32(1)
    return keys


def named(chunk: pa.Array) -> pa.Array:
    """The chunk with null for what is no name, and without a dictionary of its own."""
    if pa.types.is_dictionary(chunk.type):
        chunk = chunk.dictionary_decode()
    nameless = None
    if pa.types.is_floating(chunk.type):
        nameless = pc.is_nan(chunk)
    elif pa.types.is_string(chunk.type) or pa.types.is_large_string(chunk.type):
        nameless = pc.equal(chunk, "")
    # Texts are large, and mostly without gaps: copied only where they must be.
    return pc.if_else(nameless, None, chunk) if nameless is not None and pc.any(nameless).as_py() else chunk
