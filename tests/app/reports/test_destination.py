"""Webhook addresses: what is outside, what is inside, and every known way to dress the inside up as the outside."""

from __future__ import annotations

import pytest

from app.reports.destination import Forbidden, Resolve, destination

PUBLIC = "93.184.216.34"


def to(*addresses: str) -> Resolve:
    return lambda host, port: list(addresses)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://hooks.example.com/x", PUBLIC),
        ("https://inside.example.com/x", "10.1.2.3"),
        ("https://inside.example.com/x", "192.168.0.9"),
        ("https://inside.example.com/x", "100.64.0.1"),
        ("https://metadata.example.com/", "169.254.169.254"),
        ("https://mapped.example.com/", "::ffff:10.0.0.1"),
        ("https://mapped.example.com/", "::ffff:169.254.169.254"),
        ("https://ula.example.com/", "fd00::1"),
        ("https://link.example.com/", "fe80::1%eth0"),
        ("https://none.example.com/", "0.0.0.0"),
        ("https://many.example.com/", "224.0.0.1"),
        ("https://six.example.com/", "2002:0a00:0001::"),
        ("https://nat.example.com/", "64:ff9b::a9fe:a9fe"),
        ("ftp://hooks.example.com/x", PUBLIC),
        ("file:///etc/passwd", PUBLIC),
        ("https://user:secret@hooks.example.com/", PUBLIC),
        ("https://hooks.example.com:99999/", PUBLIC),
        ("hooks.example.com", PUBLIC),
        ("", PUBLIC),
    ],
)
def test_what_is_not_posted_to(url: str, address: str) -> None:
    with pytest.raises(Forbidden, match="webhook") as refused:
        destination(url, resolve=to(address))
    assert "secret" not in str(refused.value)


def test_one_inner_address_among_outer_ones_is_enough_to_refuse() -> None:
    with pytest.raises(Forbidden, match=r"10\.0\.0\.1 is within a private network"):
        destination("https://both.example.com/", resolve=to(PUBLIC, "10.0.0.1"))


def test_private_networks_may_be_allowed_but_never_link_local() -> None:
    assert destination("https://in.example.com/a", True, to("10.0.0.1")).url == "https://10.0.0.1:443/a"
    with pytest.raises(Forbidden, match="is never posted to"):
        destination("https://in.example.com/", True, to("169.254.169.254"))


def test_the_address_that_was_checked_is_the_one_that_is_dialled() -> None:
    found = destination("https://hooks.example.com/T/B?x=1", resolve=to(PUBLIC))
    assert (found.url, found.host_header) == (f"https://{PUBLIC}:443/T/B?x=1", "hooks.example.com")


def test_loopback_needs_no_encryption() -> None:
    assert destination("http://localhost:9/x", resolve=to("127.0.0.1")).host_header == "localhost:9"
    assert destination("http://[::1]:9/", resolve=to("::1")).url == "http://[::1]:9/"


def test_a_name_without_address_is_told() -> None:
    with pytest.raises(Forbidden, match="has no address"):
        destination("https://nowhere.example.com/", resolve=to())
