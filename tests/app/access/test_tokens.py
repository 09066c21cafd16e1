"""Tokens: what is kept lets nobody in, and what is over stays over."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from app.access.principal import NotLetIn, Role
from app.access.tokens import TOKENS, TokenStore, Wish, is_token
from collectors.store import open_store

NOW_S = 1_800_000_000.0


@pytest.fixture
def store() -> TokenStore:
    return TokenStore(open_store("sqlite://"))


def test_a_token_says_who_holds_it(store: TokenStore) -> None:
    made, text = store.make(Wish("ci", Role.OPERATOR, frozenset({"chat"}), 60.0), "ada", "tests", NOW_S)
    found = store.principal(text, NOW_S + 59)
    assert is_token(text) and (found.name, found.role, found.services) == ("ci", Role.OPERATOR, {"chat"})
    assert found.by == f"token {made.id}" and found.reaches("chat")
    assert not found.reaches("code") and not found.reaches(None)


def test_the_secret_is_not_in_the_store() -> None:
    engine = open_store("sqlite://")
    store = TokenStore(engine)
    made, text = store.make(Wish("ci", Role.ADMIN), "ada", "tests", NOW_S)
    with engine.connect() as connection:
        row = connection.execute(sa.select(TOKENS)).mappings().one()
    assert text.rpartition("_")[2] not in str(dict(row)) + repr(made) and len(text) > 64
    with pytest.raises(NotLetIn):
        store.principal(f"leadtime_{made.id}_{row['hash']}", NOW_S)


def test_two_tokens_share_nothing(store: TokenStore) -> None:
    texts = {store.make(Wish("ci", Role.VIEWER), "ada", "tests", NOW_S)[1] for _ in range(20)}
    assert len({part for text in texts for part in text.split("_")[1:]}) == 40


def test_an_expired_token_lets_nobody_in(store: TokenStore) -> None:
    _, text = store.make(Wish("ci", Role.VIEWER, expires_in_s=60.0), "ada", "tests", NOW_S)
    with pytest.raises(NotLetIn, match="is expired"):
        store.principal(text, NOW_S + 60)


def test_a_revoked_token_lets_nobody_in_and_stays_revoked(store: TokenStore) -> None:
    made, text = store.make(Wish("ci", Role.VIEWER), "ada", "tests", NOW_S)
    assert store.revoke(made.id, "bob", "lost", NOW_S + 1).state(NOW_S) == "revoked"
    assert store.revoke(made.id, "eve", "lost", NOW_S + 9).revoked_by == "bob"
    with pytest.raises(NotLetIn, match="is revoked"):
        store.principal(text, NOW_S + 2)


@pytest.mark.parametrize("text", ["leadtime_", "leadtime__", "leadtime_x_y", "leadtime", "", "leadtime_\x00_\x00"])
def test_what_is_no_token_lets_nobody_in(store: TokenStore, text: str) -> None:
    with pytest.raises(NotLetIn, match=r"^the token is not valid$"):
        store.principal(text, NOW_S)


def test_a_right_id_with_a_wrong_secret_says_nothing_of_the_token(store: TokenStore) -> None:
    _, text = store.make(Wish("ci", Role.VIEWER, expires_in_s=1.0), "ada", "tests", NOW_S)
    with pytest.raises(NotLetIn, match=r"^the token is not valid$"):
        store.principal(text[:-1] + ("0" if text[-1] != "0" else "1"), NOW_S + 99)


def test_nobody_revokes_what_is_not_there(store: TokenStore) -> None:
    with pytest.raises(KeyError, match="no token abc"):
        store.revoke("abc", "ada", "tests", NOW_S)
