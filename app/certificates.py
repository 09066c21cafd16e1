"""How long certificates last: of a file, and what ``leadtime doctor`` says of one.

Promise: fourteen days before a certificate ends somebody is told, here and by the alert on
``leadtime_certificate_remaining_seconds``.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable
from pathlib import Path

from app.check import Check
from app.errors import UserError
from app.renewed import Renewed
from runtime.agent.certificates import date, ends_s

DAY_S = 86400.0
SOON_S = 14 * DAY_S
PEM = re.compile("-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def ending(file: Path, name: str) -> Callable[[], float]:
    """When the first certificate of a file that may be renewed ends, epoch seconds; raises as ``file_ends_s``."""
    return Renewed((file,), lambda: file_ends_s(file, name))


def file_ends_s(file: Path, name: str) -> float:
    """When the first certificate of a PEM file ends, epoch seconds. Raises ``UserError``; ``name`` is its key."""
    try:
        found = PEM.findall(file.read_text(encoding="ascii"))
        return min(ends_s(ssl.PEM_cert_to_DER_cert(one)) for one in found)
    except OSError as error:
        raise UserError(f"{name}: {file}: {error.strerror}; give a PEM file that this process can read") from None
    except ValueError:
        raise UserError(f"{name}: {file}: no certificate in it; give a PEM file") from None


def lasting(name: str, ends_at_s: float, now_s: float) -> Check:
    """What there is to say of one that ends then."""
    left_s = ends_at_s - now_s
    if left_s <= 0:
        return Check(name, "fail", f"expired on {date(ends_at_s)}; renew it")
    said = f"ends on {date(ends_at_s)}, in {left_s / DAY_S:.0f} days"
    return Check(name, "ok", said) if left_s > SOON_S else Check(name, "warn", f"{said}; renew it")
