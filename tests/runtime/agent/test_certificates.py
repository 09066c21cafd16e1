"""Dates are read off any certificate, and what is none is refused."""

from __future__ import annotations

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.agent.certificates import date, ends_s, shown

KEY = ec.generate_private_key(ec.SECP256R1())
WHO = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
EARLY = datetime.datetime(1950, 1, 1)


def ending(at: datetime.datetime) -> bytes:
    made = x509.CertificateBuilder(WHO, WHO, KEY.public_key(), x509.random_serial_number())
    signed = made.not_valid_before(EARLY).not_valid_after(at).sign(KEY, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.DER)


@settings(max_examples=50)
@given(st.datetimes(EARLY, datetime.datetime(2200, 1, 1)))
def test_the_last_second_is_read_in_both_forms_that_years_have(at: datetime.datetime) -> None:
    """Until 2049 with two digits, from 2050 on with four."""
    assert ends_s(ending(at)) == at.replace(microsecond=0, tzinfo=datetime.UTC).timestamp()


@given(st.binary(max_size=80))
def test_what_is_no_certificate_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        ends_s(data)


def test_a_date_is_told_to_the_minute_and_in_utc() -> None:
    assert date(0.0) == "1970-01-01 00:00 UTC"


async def test_nobody_who_listens_shows_none() -> None:
    with pytest.raises(OSError):
        await shown("127.0.0.1", 1, "x")
