"""What a fleet writes down of each replica, for the fleet that comes after it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from runtime.local.spec import Kind, Sleep, Slot
from runtime.replica import Tier

NAME = "replica.json"


@dataclass(frozen=True, slots=True)
class Record:
    """A replica with a process; ``golden`` is what its engine said to the golden prompt when it was new."""

    name: str
    service: str
    pool: str
    slot: Slot
    port: int
    fingerprint: str
    sleep: Sleep
    tier: Tier
    started_s: float
    golden: tuple[int, ...] = ()


def write(folder: Path, record: Record) -> None:
    """Put it into the replica's folder, whole or not at all."""
    draft = folder / f"{NAME}.draft"
    draft.write_text(json.dumps(asdict(record)))
    draft.replace(folder / NAME)


def read(folder: Path) -> Record:
    """Raises ValueError, in one line, for what is no such record."""
    try:
        found = json.loads((folder / NAME).read_text())
        slot = found["slot"]
        return Record(
            **{
                **found,
                "slot": Slot(**{**slot, "devices": tuple(slot["devices"]), "kind": Kind(slot["kind"])}),
                "sleep": Sleep(found["sleep"]),
                "tier": Tier(found["tier"]),
                "golden": tuple(found["golden"]),
            }
        )
    except (FileNotFoundError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{folder / NAME}: no record of a replica ({error})") from error
