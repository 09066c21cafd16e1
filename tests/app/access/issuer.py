"""An identity provider in memory: keys, a JWKS address that counts its questions, and tokens of any kind."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.access.identity import Identities, Keys, Provider
from app.access.principal import Role

ISSUER, AUDIENCE = "https://id.example.com/", "leadtime"
KEY = ec.generate_private_key(ec.SECP256R1())
OTHER = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

PROVIDER = Provider(
    issuer=ISSUER,
    audience=AUDIENCE,
    jwks_url="https://id.example.com/keys",
    roles={"sre": Role.OPERATOR, "platform": Role.ADMIN, "all": Role.VIEWER},
)


def public(key: Any, id: str) -> dict[str, Any]:
    """A key as the provider publishes it."""
    algorithm = (
        jwt.algorithms.ECAlgorithm if isinstance(key, ec.EllipticCurvePrivateKey) else jwt.algorithms.RSAAlgorithm
    )
    found: dict[str, Any] = json.loads(algorithm.to_jwk(key.public_key()))
    return found | {"kid": id, "use": "sig"}


@dataclass
class Issuer:
    """``answers`` is what its JWKS address gives; ``asked`` counts."""

    answers: httpx.Response | Exception = field(default_factory=lambda: jwks({"k1": KEY}))
    asked: int = 0
    now_s: float = 0.0

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        assert str(request.url) == PROVIDER.jwks_url, "only the configured address is ever asked"
        if isinstance(self.answers, Exception):
            raise self.answers
        return self.answers

    def keeper(self, provider: Provider = PROVIDER) -> Identities:
        http = httpx.AsyncClient(transport=httpx.MockTransport(self.handle))
        return Identities(provider, Keys(provider.jwks_url, http, clock=lambda: self.now_s))


def jwks(keys: dict[str, Any]) -> httpx.Response:
    """The published keys by id."""
    return httpx.Response(200, json={"keys": [public(key, id) for id, key in keys.items()]})


def claims(**changes: Any) -> dict[str, Any]:
    """Claims of somebody who may operate, changed; None takes one away."""
    now = int(time.time())
    whole = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "groups": ["sre"], "iat": now, "exp": now + 300}
    return {name: value for name, value in (whole | changes).items() if value is not None}


def signed(key: Any = KEY, algorithm: str = "ES256", headers: dict[str, Any] | None = None, **changes: Any) -> str:
    """A token."""
    return jwt.encode(claims(**changes), key, algorithm, headers={"kid": "k1"} | (headers or {}))
