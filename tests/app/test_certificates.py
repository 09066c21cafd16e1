"""How long certificates last, and when somebody is told."""

from __future__ import annotations

import datetime
import time
from pathlib import Path

import pytest

from app.certificates import DAY_S, ending, file_ends_s, lasting
from app.errors import UserError
from tests.certificates import Authority

HOUR = datetime.timedelta(hours=1)


def test_of_a_chain_the_first_to_end_counts_and_a_renewed_file_is_read_again(tmp_path: Path) -> None:
    ours = Authority(tmp_path)
    file = ours.issue("api", "127.0.0.1", left=HOUR / 2).cert_file
    file.write_bytes(ours.file.read_bytes() + file.read_bytes())
    ends = ending(file, "api.tls.cert_file")
    assert ends() == pytest.approx(time.time() + 1800, abs=60)
    ours.issue("api", "127.0.0.1", left=24 * HOUR)
    assert ends() == pytest.approx(time.time() + DAY_S, abs=60)


@pytest.mark.parametrize(("content", "said"), [(None, "No such file"), ("half", "no certificate in it")])
def test_a_file_that_is_no_certificate_is_one_line(tmp_path: Path, content: str | None, said: str) -> None:
    if content:
        (tmp_path / "api.crt").write_text(content)
    with pytest.raises(UserError, match=f"^api.tls.cert_file: .*api.crt: {said}"):
        file_ends_s(tmp_path / "api.crt", "api.tls.cert_file")


@pytest.mark.parametrize(
    ("days", "status", "said"),
    [(15, "ok", "ends on 1970-01-16 00:00 UTC, in 15 days"), (14, "warn", "renew it"), (0, "fail", "expired on 1970")],
)
def test_fourteen_days_before_the_end_it_is_told(days: int, status: str, said: str) -> None:
    check = lasting("API certificate", days * DAY_S, 0.0)
    assert check.status == status and said in check.detail
