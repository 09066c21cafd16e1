"""The external scaler's command: mistakes are one line."""

from __future__ import annotations

import pytest

from tests.app.cli.test_main import leadtime


@pytest.mark.parametrize("options", [["--tls-cert", "a.pem"], ["--tls-key", "a.pem"], ["--client-ca", "a.pem"]])
def test_half_a_certificate_is_refused(options: list[str]) -> None:
    done = leadtime("external-scaler", *options)
    assert done.returncode == 2
    assert done.stderr == "error: external-scaler: give --tls-cert and --tls-key together; --client-ca needs both\n"
