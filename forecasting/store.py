"""What a panel has learned, kept on disk: one ``.npz`` of plain arrays and a JSON header, nothing that could run code.

A panel that was saved and loaded says the same to the last bit. Programs change between the two: what another version
left behind is used as far as it still means the same, and ``Loaded.lost`` says what was not. The file ends with a
digest of all before it (as the comment of the zip archive that an ``.npz`` is), so what is not as it was written is
refused before anything of it is looked at.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np

from forecasting.calibration import Calibration
from forecasting.combine import Combination
from forecasting.experts import Expert
from forecasting.history import Array, Target
from forecasting.panel import Fitted, Panel

FORMAT = 3
DIGEST_BYTES = 32
HEADER = "header"
PARTS = ("calibration", "combination")
"""What a panel has lived through, expert by expert."""


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """``panel`` is ready for use; ``lost`` has one line for each thing of the file that could not be used."""

    panel: Panel
    lost: tuple[str, ...]


def save(panel: Panel, path: Path) -> None:
    """Write to ``path`` as a whole or not at all; who reads meanwhile sees what was there before."""
    data, new = packed(panel), path.with_name(path.name + ".new")
    with new.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def load(path: Path, target: Target, step_s: float, experts: Sequence[Expert] | None = None) -> Loaded:
    """A panel that takes up where the saved one stopped, for ``target``, of ``experts`` or all that are installed.

    Raises ValueError where the file is damaged or no saved panel, OSError where it cannot be read.
    """
    return unpacked(path.read_bytes(), target, step_s, experts, str(path))


def packed(panel: Panel) -> bytes:
    """The content of the file.

    Raises TypeError where a model holds anything but plain numbers.
    """
    fits = {name: fitted for name, fitted in panel.fits.items() if fitted.model}
    arrays: dict[str, Any] = {
        **{f"fit/{name}/{key}": array for name, fitted in fits.items() for key, array in fitted.model.items()},
        **{f"{part}/{key}": array for part in PARTS for key, array in state(getattr(panel, part)).items()},
    }
    if panel.made:
        arrays["made/cells"] = np.array(list(panel.made))
        arrays["made/raw"] = np.stack(list(panel.made.values()))
    for name, array in arrays.items():
        if array.dtype.hasobject:
            raise TypeError(f"{name} holds Python objects; a model is made of arrays of numbers")
    header = {
        "format": FORMAT,
        "target": asdict(panel.target),
        "step_s": panel.step_s,
        "lived_until": panel.lived_until,
        "experts": {expert.name: expert.version for expert in panel.experts},
        "tried": panel.tried,
        "fitted_until": {name: fitted.until for name, fitted in fits.items()},
    }
    buffer = BytesIO()
    arrays[HEADER] = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    np.savez_compressed(buffer, **arrays)
    with ZipFile(buffer, "a") as archive:
        archive.comment = b"0" * 2 * DIGEST_BYTES
    content = buffer.getvalue()[: -2 * DIGEST_BYTES]
    return content + _digest(content)


def unpacked(
    data: bytes, target: Target, step_s: float, experts: Sequence[Expert] | None = None, source: str = "the saved panel"
) -> Loaded:
    """What ``load`` makes of a file's content; raises ValueError, naming ``source``, where that is damaged."""
    if not _intact(data):
        raise ValueError(f"{source} is damaged or no saved panel; delete it, and the forecaster learns anew")
    panel = Panel(target, step_s, experts)
    with np.load(BytesIO(data), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    header = json.loads(arrays[HEADER].tobytes())
    for name, expected in (("format", FORMAT), ("target", json.loads(json.dumps(asdict(target)))), ("step_s", step_s)):
        if header[name] != expected:
            return Loaded(panel, (f"{name} was {header[name]} and is {expected}: all begins anew",))
    kept, lost = _kept(panel, header["experts"])
    lost += _restore(panel, arrays, list(header["experts"]), kept)
    for name, until in header["fitted_until"].items():
        if name in kept:
            prefix = f"fit/{name}/"
            model = {key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)}
            panel.fits[name] = Fitted(model, until)
    panel.tried = {name: cell for name, cell in header["tried"].items() if name in kept}
    panel.lived_until = header["lived_until"]
    return Loaded(panel, tuple(lost))


def state(part: Calibration | Combination) -> dict[str, Array]:
    """The arrays that it learns; their first axis is the experts."""
    return {name: value for name, value in vars(part).items() if not name.startswith("_")}


def _kept(panel: Panel, saved: Mapping[str, int]) -> tuple[list[str], list[str]]:
    """Experts who are there still, by name, and what has to be said of the others."""
    ours: dict[str, Any] = {expert.name: expert.version for expert in panel.experts}
    kept = [name for name in ours if saved.get(name) == ours[name]]
    gone = [f"expert {name} is not installed: what it learned is dropped" for name in saved if name not in ours]
    changed = [
        f"expert {name} was version {saved[name]} and is {ours[name]}: it begins anew"
        for name in ours
        if name in saved and name not in kept
    ]
    return kept, gone + changed


def _restore(panel: Panel, arrays: Mapping[str, Array], saved: Sequence[str], kept: Sequence[str]) -> list[str]:
    """Give the experts back what was measured of them; the rows of all others stay as they begin."""
    names = [expert.name for expert in panel.experts]
    to, of = [names.index(name) for name in kept], [list(saved).index(name) for name in kept]
    lost = []
    for part in PARTS:
        for key, array in state(getattr(panel, part)).items():
            found = arrays.get(f"{part}/{key}")
            if found is not None and found.shape[1:] == array.shape[1:]:
                array[to] = found[of]
            else:
                lost.append(f"{part} had no {key} of shape {array.shape[1:]} for each expert: it begins anew")
    for cell, raw in zip(arrays.get("made/cells", ()), arrays.get("made/raw", ()), strict=True):
        made = np.full((len(names), *raw.shape[1:]), np.nan)
        made[to] = raw[of]
        panel.made[int(cell)] = made
    return lost


def _digest(content: bytes) -> bytes:
    return blake2b(content, digest_size=DIGEST_BYTES).hexdigest().encode()


def _intact(data: bytes) -> bool:
    return data[-2 * DIGEST_BYTES :] == _digest(data[: -2 * DIGEST_BYTES])
