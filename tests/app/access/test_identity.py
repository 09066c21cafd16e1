"""JWTs: let in are those the provider signed, for us, not over, with a role; every other is refused alike."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from dataclasses import replace
from typing import Any

import httpx
import jwt
import pytest

from app.access.guard import Access
from app.access.identity import AGAIN_S, ALGORITHMS, principal_of
from app.access.keeper import Keys
from app.access.principal import NotLetIn, ProviderAway, Role
from app.access.tokens import TokenStore
from tests.app.access.conftest import Asking
from tests.app.access.issuer import AUDIENCE, ISSUER, KEY, OTHER, PROVIDER, PUBLIC, RSA, Issuer, claims, jwks, signed


async def test_a_good_token_says_who_and_what_they_may() -> None:
    found = await Issuer().keeper().principal(signed())
    assert (found.name, found.role, found.services, found.by) == ("ada", Role.OPERATOR, None, f"jwt {ISSUER}")


def unsigned(**changes: Any) -> str:
    return f"{encoded({'alg': 'none', 'kid': 'k1', 'typ': 'JWT'})}.{encoded(claims(**changes))}."


def encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def confused() -> str:
    """Signed with the public key as if it were a shared secret."""
    text = f"{encoded({'alg': 'HS256', 'kid': 'k1'})}.{encoded(claims())}"
    mac = hmac.new(PUBLIC, text.encode(), hashlib.sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


FORGED = {
    "alg none": unsigned,
    "public key as a secret": confused,
    "another key": lambda: signed(OTHER),
    "another key by its own address": lambda: signed(OTHER, headers={"jku": "https://evil.example.com/keys"}),
    "another key in the header": lambda: signed(OTHER, headers={"jwk": {"kty": "EC"}}),
    "unknown key id": lambda: signed(headers={"kid": "k9"}),
    "key id that is a path": lambda: signed(headers={"kid": "../../etc/passwd"}),
    "wrong audience": lambda: signed(aud="other"),
    "no audience": lambda: signed(aud=None),
    "wrong issuer": lambda: signed(iss="https://evil.example.com/"),
    "issuer without its slash": lambda: signed(iss=ISSUER.rstrip("/")),
    "never expires": lambda: signed(exp=None),
    "not yet": lambda: signed(nbf=int(time.time()) + 600),
    "another algorithm than the key's": lambda: signed(RSA, "RS256"),
    "altered": lambda: signed()[:-6] + "AAAAAA",
    "too long": lambda: signed(x="a" * 20_000),
    "no token": lambda: "a.b.c",
    "two parts": lambda: "a.b",
    "not text": lambda: "\udcff.a.b",
}


@pytest.mark.parametrize("made", FORGED.values(), ids=FORGED)
async def test_a_forged_token_is_refused_without_a_word_of_why(made: Any) -> None:
    with pytest.raises(NotLetIn, match=r"^the credential is not valid$"):
        await Issuer().keeper().principal(made())


async def test_an_expired_token_is_told_so() -> None:
    with pytest.raises(NotLetIn, match="has expired"):
        await Issuer().keeper().principal(signed(exp=int(time.time()) - 60))


@pytest.mark.parametrize(
    ("groups", "role"), [(["all"], Role.VIEWER), (["all", "platform", "sre"], Role.ADMIN), ("sre all", Role.OPERATOR)]
)
def test_the_highest_role_counts(groups: Any, role: Role) -> None:
    assert principal_of(claims(groups=groups), PROVIDER).role is role


@pytest.mark.parametrize("groups", [None, [], ["cooks"], {"sre": True}, 7, [7, None], "srex"])
def test_without_a_role_of_ours_nobody_is_let_in(groups: Any) -> None:
    with pytest.raises(NotLetIn, match="no role here"):
        principal_of(claims(groups=groups), PROVIDER)


@pytest.mark.parametrize("name", [None, "", 7, "a\nb", "x" * 201])
def test_without_a_name_nobody_is_let_in(name: Any) -> None:
    with pytest.raises(NotLetIn, match="no usable claim sub"):
        principal_of(claims(sub=name), PROVIDER)


def test_roles_lie_where_the_provider_puts_them() -> None:
    provider = replace(PROVIDER, role_claim="realm_access.roles", name_claim="https://x/email", services_claim="models")
    given = claims(groups=None, realm_access={"roles": ["sre"]}, models="chat code") | {"https://x/email": "ada@x"}
    found = principal_of(given, provider)
    assert (found.name, found.role, found.services) == ("ada@x", Role.OPERATOR, {"chat", "code"})
    assert principal_of(given | {"models": None}, provider).services == frozenset(), "none named is none, not all"


async def test_a_new_key_is_found_and_strangers_do_not_make_us_ask_again_and_again() -> None:
    issuer = Issuer()
    keeper = issuer.keeper()
    await keeper.principal(signed())
    for _ in range(50):
        with pytest.raises(NotLetIn):
            await keeper.principal(signed(headers={"kid": "k2"}))
    assert issuer.asked == 1
    issuer.answers, issuer.now_s = jwks({"k1": KEY, "k2": OTHER}), AGAIN_S
    assert (await keeper.principal(signed(OTHER, headers={"kid": "k2"}))).name == "ada"
    assert issuer.asked == 2


async def test_keys_that_are_withdrawn_are_forgotten_in_time() -> None:
    issuer = Issuer()
    keeper = issuer.keeper()
    await keeper.principal(signed())
    issuer.answers, issuer.now_s = jwks({"k2": OTHER}), 3600.0
    with pytest.raises(NotLetIn):
        await keeper.principal(signed())


BROKEN = [
    httpx.ConnectError("no"),
    httpx.Response(500),
    httpx.Response(200, text="<html>"),
    httpx.Response(200, json=[]),
]


@pytest.mark.parametrize("answer", BROKEN)
async def test_a_provider_that_is_away_keeps_nobody_out_whose_key_is_known(answer: Any) -> None:
    issuer = Issuer()
    keeper = issuer.keeper()
    await keeper.principal(signed())
    issuer.answers, issuer.now_s = answer, 4000.0
    assert (await keeper.principal(signed())).name == "ada"


@pytest.mark.parametrize("answer", BROKEN)
async def test_a_provider_that_never_answered_is_said_so(answer: Any) -> None:
    with pytest.raises(ProviderAway):
        await Issuer(answer).keeper().principal(signed())


async def test_the_api_lets_identities_in_beside_tokens(asking: Asking, tokens: TokenStore) -> None:
    access = Access(Keys(tokens, (Issuer().keeper(),)))
    async with asking(signed(), access) as api:
        freeze = await api.post("/api/v1/freezes", json={"for_s": 60, "author": "mallory", "reason": "tests"})
        assert freeze.json()["author"] == "ada"
        assert (await api.get("/api/v1/tokens")).status_code == 403
    async with asking(unsigned(groups=["platform"]), access) as api:
        assert (await api.get("/api/v1/tokens")).status_code == 401


async def test_the_api_says_503_while_nobody_can_be_known(asking: Asking) -> None:
    async with asking(signed(), Access(Keys(None, (Issuer(httpx.ConnectError("no")).keeper(),)))) as api:
        answer = await api.get("/api/v1/fleet")
    assert answer.status_code == 503 and answer.headers["retry-after"]


def test_no_algorithm_has_a_shared_secret() -> None:
    assert not [name for name in ALGORITHMS if name.startswith("HS") or name == "none"]
    assert set(ALGORITHMS) <= set(jwt.algorithms.get_default_algorithms()) and AUDIENCE
