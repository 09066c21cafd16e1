"""Attacks tried, one test each, numbered as the rows of docs/security.md; the last test holds the two lists equal."""

from __future__ import annotations

import asyncio
import hmac
import json
import re
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
import uvicorn
import yaml

from app.access.guard import Access
from app.access.identity import identities
from app.access.keeper import Keys, Open
from app.access.limits import Buckets, Limits, Rate
from app.access.principal import NotLetIn, ProviderAway, Role
from app.access.rights import RIGHTS
from app.access.tokens import TOKENS, TokenStore
from app.cli.up import BUILT_IN
from app.console import format
from app.console.policy_form import PlainLoader
from app.daemon.parts import Daemon
from app.errors import UserError
from app.externalscaler.desired import NotKnown, service_of
from app.fleetsettings import LOOPBACK
from app.reports.safecsv import csv_text
from app.settings import load
from autoscaler.store.audit import AUDIT
from tests.app.access.conftest import Asking, guarded, made
from tests.app.access.issuer import KEY, OTHER, PROVIDER, Issuer, signed
from tests.app.access.test_identity import confused, unsigned

BY = {"author": "mallory", "reason": "tests"}
FREEZE = BY | {"for_s": 60}
SCRIPT = "<script>alert(1)</script>"
FORMULA = '=HYPERLINK("http://evil")'
DOCS = Path(__file__).parents[3] / "docs" / "security.md"


async def asked(asking: Asking, token: str | None, method: str, path: str, **options: Any) -> httpx.Response:
    async with asking(token, options.pop("access", None)) as api:
        return await api.request(method, f"/api/v1{path}", **options)


@asynccontextmanager
async def served(daemon: Daemon, tokens: TokenStore, access: Access | None = None) -> AsyncIterator[int]:
    """The guarded API on a port."""
    server = uvicorn.Server(uvicorn.Config(guarded(daemon, tokens, access), port=0, log_level="error"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await serving


async def raw(port: int, request: bytes) -> bytes:
    """What the server answers to these bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await asyncio.wait_for(reader.read(65536), 5)
    writer.close()
    return answer


async def test_01_no_credential(asking: Asking) -> None:
    for right in RIGHTS:
        if right.role is not None and right.path.startswith("/api"):
            path = re.sub(r"\{\w+\}", "chat", right.path.removeprefix("/api/v1"))
            assert (await asked(asking, None, right.method, path)).status_code == 401, right


async def test_02_reading_another_service(asking: Asking, tokens: TokenStore) -> None:
    token = made(tokens, Role.ADMIN, "code")
    for path in ("/services/chat", "/policies/chat", "/services/chat/decisions", "/audit", "/reports", "/tokens"):
        assert (await asked(asking, token, "GET", path)).status_code == 403
    for path in ("/fleet", "/decisions", "/nodes", "/policies", "/overrides", "/timeline"):
        answer = await asked(asking, token, "GET", path)
        assert answer.status_code == 200 and "chat" not in answer.text


async def test_03_another_services_things_by_id(asking: Asking, tokens: TokenStore, daemon: Daemon) -> None:
    pin = BY | {"for_s": 60, "kind": "pin", "replicas": 2}
    id = (await asked(asking, made(tokens, Role.ADMIN), "POST", "/services/chat/overrides", json=pin)).json()["id"]
    decision = daemon.ledger.list("chat", 1)[0].decision.id
    token = made(tokens, Role.OPERATOR, "code")
    lifted = await asked(asking, token, "POST", f"/overrides/{id}/lift", json={"author": "m"})
    read = await asked(asking, token, "GET", f"/decisions/{decision}")
    assert (lifted.status_code, read.status_code) == (403, 404)
    assert len(daemon.overrides.in_force(daemon.memory.now_s + 1)) == 1


async def test_04_a_viewer_writes(asking: Asking, tokens: TokenStore, daemon: Daemon) -> None:
    change = BY | {"policy": daemon.memory.services["chat"].policy.model_dump(mode="json"), "base_version": 1}
    for method, path, body in (("PUT", "/policies/chat", change), ("POST", "/freezes", FREEZE)):
        assert (await asked(asking, made(tokens, Role.VIEWER), method, path, json=body)).status_code == 403
    assert daemon.policies.history("chat")[0].version == 1


async def test_05_an_operator_makes_itself_an_admin(asking: Asking, tokens: TokenStore) -> None:
    wish = BY | {"name": "me", "role": "admin"}
    assert (await asked(asking, made(tokens, Role.OPERATOR), "POST", "/tokens", json=wish)).status_code == 403
    assert len(tokens.all()) == 1


async def test_06_an_admin_of_one_service_widens_its_reach(asking: Asking, tokens: TokenStore) -> None:
    wish = BY | {"name": "me", "role": "viewer", "services": None}
    assert (await asked(asking, made(tokens, Role.ADMIN, "chat"), "POST", "/tokens", json=wish)).status_code == 403


async def test_07_signing_with_anothers_name(asking: Asking, tokens: TokenStore, daemon: Daemon) -> None:
    answer = await asked(asking, made(tokens, Role.OPERATOR), "POST", "/freezes", json=FREEZE)
    assert answer.json()["author"] == "operator"
    assert daemon.overrides.history()[0].override.author == "operator"


async def test_08_replay_after_revocation(asking: Asking, tokens: TokenStore) -> None:
    token = made(tokens, Role.ADMIN)
    assert (await asked(asking, token, "GET", "/me")).status_code == 200
    tokens.revoke(tokens.all()[0].id, "ada", "lost", time.time())
    assert (await asked(asking, token, "GET", "/me")).status_code == 401


async def test_09_replay_after_expiry(asking: Asking, tokens: TokenStore) -> None:
    token = made(tokens, Role.ADMIN, expires_in_s=60.0, at_s=time.time() - 61)
    assert "expired" in (await asked(asking, token, "GET", "/me")).json()["detail"]


async def test_10_a_stolen_store(asking: Asking, tokens: TokenStore) -> None:
    made(tokens, Role.ADMIN)
    with tokens._engine.connect() as connection:
        row = connection.execute(sa.select(TOKENS)).mappings().one()
    for guess in (f"leadtime_{row['id']}_{row['hash']}", row["hash"], row["id"]):
        assert (await asked(asking, guess, "GET", "/me")).status_code == 401


def test_11_timing_of_a_guess(tokens: TokenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[int, int]] = []
    real = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: compared.append((len(a), len(b))) or real(a, b))
    id = made(tokens, Role.ADMIN).split("_")[1]
    for guess in (f"leadtime_{id}_00", "leadtime_000000000000_00", "leadtime__"):
        with pytest.raises(NotLetIn):
            tokens.principal(guess, 0.0)
    assert compared == [(64, 64)] * 3, "known or not, right in part or not: one comparison of whole hashes"


async def test_12_guessing_again_and_again(asking: Asking, tokens: TokenStore) -> None:
    access = Access(Keys(tokens), limits=Limits(Buckets(Rate(9, 9)), Buckets(Rate(1.0, 5))), clock=lambda: 0.0)
    async with asking("leadtime_000000000000_00", access) as api:
        assert [(await api.get("/api/v1/me")).status_code for _ in range(7)] == [401] * 5 + [429] * 2


async def refused(token: str) -> bool:
    with pytest.raises(NotLetIn):
        await Issuer().keeper().principal(token)
    return True


async def test_13_jwt_without_a_signature() -> None:
    assert await refused(unsigned(groups=["platform"]))


async def test_14_jwt_signed_with_the_public_key() -> None:
    assert await refused(confused())


async def test_15_jwt_for_another_audience_or_issuer() -> None:
    assert await refused(signed(aud="other")) and await refused(signed(iss="https://evil.example.com"))


async def test_16_jwt_that_names_its_own_keys() -> None:
    address = "https://evil.example.com/keys"
    for header in ({"jku": address}, {"x5u": address}, {"jwk": {"kty": "EC"}}):
        assert await refused(signed(OTHER, headers=header))  # the issuer's double fails on any other address


async def test_17_jwt_that_never_ends_or_is_over() -> None:
    assert await refused(signed(exp=None)) and await refused(signed(exp=int(time.time()) - 90))


async def test_18_the_keys_address_leads_elsewhere() -> None:
    asked_for: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked_for.append(str(request.url))
        return httpx.Response(302, headers={"Location": "http://169.254.169.254/latest/meta-data"})

    keeper = identities(PROVIDER)
    assert not keeper.keys.http.follow_redirects
    keeper.keys.http = httpx.AsyncClient(transport=httpx.MockTransport(answer), follow_redirects=False)
    with pytest.raises(ProviderAway):
        await keeper.principal(signed(KEY))
    assert asked_for == [PROVIDER.jwks_url]


async def test_19_two_credentials(asking: Asking, tokens: TokenStore) -> None:
    both = [("Authorization", f"Bearer {made(tokens, Role.VIEWER)}"), ("Authorization", "Bearer x")]
    assert (await asked(asking, None, "GET", "/me", headers=both)).status_code == 400


async def test_20_smuggling_a_request(daemon: Daemon, tokens: TokenStore) -> None:
    token = made(tokens, Role.VIEWER)
    head = f"POST /api/v1/freezes HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer {token}\r\n"
    inner = "GET /api/v1/fleet HTTP/1.1\r\nHost: api\r\n\r\n"
    async with served(daemon, tokens) as port:
        for framing in (
            f"Content-Length: 0\r\nContent-Length: {len(inner)}\r\n",
            f"Content-Length: {len(inner)}\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: xchunked\r\n",
            "Content-Length : 0\r\n",
        ):
            answer = await raw(port, f"{head}{framing}\r\n{inner}".encode())
            assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 501")), framing
            assert answer.count(b"HTTP/1.1 ") == 1, "the inner request is never answered"


async def test_21_dns_rebinding(asking: Asking) -> None:
    access = Access(Open(), frozenset(LOOPBACK))
    for host, status in (("evil.example.com", 400), ("127.0.0.1.evil.com:8800", 400), ("127.0.0.1:8800", 200)):
        assert (await asked(asking, None, "GET", "/me", headers={"Host": host}, access=access)).status_code == status
    assert (await asked(asking, None, "GET", "/me", headers={"Host": "[::1]:8800"}, access=access)).status_code == 200


async def test_22_another_sites_page_writes(asking: Asking, daemon: Daemon) -> None:
    body, access = json.dumps(FREEZE), Access(Open())
    for headers in (
        {"Origin": "https://evil.example.com", "Content-Type": "application/json"},
        {"Origin": "null", "Content-Type": "text/plain"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
    ):
        answer = await asked(asking, None, "POST", "/freezes", content=body, headers=headers, access=access)
        assert answer.status_code in (403, 422), headers
    assert daemon.overrides.in_force(daemon.memory.now_s) == []


async def test_23_another_sites_page_reads(asking: Asking, tokens: TokenStore) -> None:
    origin = {"Origin": "https://evil.example.com", "Access-Control-Request-Method": "PUT"}
    for method in ("GET", "OPTIONS"):
        answer = await asked(asking, made(tokens, Role.ADMIN), method, "/fleet", headers=origin)
        assert not [name for name in answer.headers if name.startswith("access-control")]
    assert answer.status_code == 405


async def test_24_path_traversal(asking: Asking, tokens: TokenStore) -> None:
    token = made(tokens, Role.ADMIN)
    async with asking(token) as api:
        for path in (
            "/api/v1/../../etc/passwd",
            "/api/v1/%2e%2e/%2e%2e/etc/passwd",
            "/api/v1/services/..%2f..%2fetc%2fpasswd",
            "/api/v1/policies/....//....//etc/passwd",
            "/api/v1/decisions/..%5c..%5cetc",
            "/docs/../../etc/passwd",
        ):
            answer = await api.get(path)
            assert answer.status_code in (403, 404) and "root:" not in answer.text, path


async def test_25_a_path_written_otherwise(asking: Asking, tokens: TokenStore) -> None:
    async with asking(made(tokens, Role.VIEWER)) as api:
        written = ("//api/v1/freezes", "/api/v1/freezes/", "/api/v1//freezes", "/API/v1/freezes", "/api/v1/freezes;x")
        for path in written:
            answer = await api.post(f"http://api{path}", json=FREEZE, follow_redirects=True)
            assert answer.status_code == 403, path
        for header in ("X-HTTP-Method-Override", "X-Original-URL", "X-Rewrite-URL"):
            answer = await api.get("/api/v1/me", headers={header: "/api/v1/tokens"})
            assert "role" in answer.json()


async def test_26_a_body_too_large(daemon: Daemon, tokens: TokenStore) -> None:
    token = made(tokens, Role.OPERATOR)
    async with served(daemon, tokens) as port:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers) as api:
            whole = await api.post("/api/v1/freezes", content=b" " * (2**20 + 1))

            async def pieces() -> AsyncIterator[bytes]:
                for _ in range(40):
                    yield b" " * 2**16

            chunked = await api.post("/api/v1/freezes", content=pieces())
    assert (whole.status_code, chunked.status_code) == (413, 413)


async def test_27_a_body_nested_without_end(asking: Asking, tokens: TokenStore) -> None:
    token = made(tokens, Role.OPERATOR)
    for deep in (b'{"policy":' + b"[" * 200_000, b'{"policy":' + b'{"a":' * 900 + b"1" + b"}" * 901):
        content = {"content": deep, "headers": {"Content-Type": "application/json"}}
        for path in ("/policies/chat/check", "/policies/chat"):
            method = "POST" if path.endswith("check") else "PUT"
            assert (await asked(asking, token, method, path, **content)).status_code in (200, 400, 422)


STRANGE = ["\x00", "\ud800", "a\x00b", "\uffff", "1" * 5000, "𝒳" * 300, -1, 1e308, 10**400, [], {}, None, True]


@pytest.mark.parametrize("value", STRANGE, ids=lambda value: ascii(value)[:12])
async def test_28_values_that_break_things(asking: Asking, tokens: TokenStore, value: Any) -> None:
    token, header = made(tokens, Role.ADMIN), {"Content-Type": "application/json"}
    for method, path, field in (
        ("POST", "/freezes", "author"),
        ("POST", "/freezes", "reason"),
        ("POST", "/freezes", "for_s"),
        ("PUT", "/policies/chat", "base_version"),
        ("POST", "/tokens", "name"),
        ("POST", "/tokens", "services"),
        ("POST", "/tokens", "expires_in_s"),
    ):
        body = FREEZE | {"name": "n", "role": "viewer", "policy": {}, field: value}
        if path != "/tokens":
            body = {name: body[name] for name in body if name not in ("name", "role")}
        if path == "/freezes":
            body.pop("policy")
        if path == "/tokens":
            body = {name: body[name] for name in body if name not in ("policy", "for_s")}
        answer = await asked(asking, token, method, path, content=json.dumps(body), headers=header)
        assert answer.status_code < 500, (path, field)


def test_29_yaml_that_grows(tmp_path: Path) -> None:
    bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{','.join([f'*{chr(97 + n)}'] * 10)}]\n" for n in range(9)
    )
    file, said_of = tmp_path / "fleet.yaml", {bomb: "more than 1,000,000 values"}
    said_of |= {"[" * 5000: "nested too deeply", "a: &a [*a]": "stands for itself"}
    for text, said in said_of.items():
        with pytest.raises(yaml.YAMLError):
            yaml.load(text, PlainLoader)  # what is typed into the console
        file.write_text(text)
        with pytest.raises(UserError, match=said):
            load(file)


def test_30_yaml_that_runs_code(tmp_path: Path) -> None:
    file = tmp_path / "fleet.yaml"
    file.write_text(f"api: !!python/object/apply:os.system ['touch {tmp_path}/ran']\n")
    with pytest.raises(UserError, match="give plain YAML"):
        load(file)
    with pytest.raises(yaml.YAMLError):
        yaml.load(file.read_text(), PlainLoader)
    assert not (tmp_path / "ran").exists()


async def test_31_script_in_reasons_and_names(asking: Asking, tokens: TokenStore) -> None:
    async with asking(access=Access(Open())) as api:
        made_by = await api.post("/api/v1/freezes", json={"for_s": 60, "author": SCRIPT, "reason": SCRIPT})
        for answer in (made_by, await api.get("/api/v1/overrides"), await api.get(f"/api/v1/services/{SCRIPT}")):
            assert answer.headers["content-type"] == "application/json"
            assert answer.headers["x-content-type-options"] == "nosniff" and answer.headers["x-frame-options"] == "DENY"
    shown = format.escape(SCRIPT + "![](http://evil)[x](javascript:alert(1))")
    assert not re.search(r"(?<!\\)[<>\[\]]", shown), "Markdown shows it and makes nothing of it"


@pytest.mark.parametrize("name", [SCRIPT, "../x", "a b", "a\nb", FORMULA, "${x}", "", "-x"])
def test_32_script_in_the_name_of_a_service(tmp_path: Path, name: str) -> None:
    file = tmp_path / "fleet.yaml"
    content = yaml.safe_load(BUILT_IN.read_text())
    content["services"][0]["name"] = name
    file.write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match="name"):
        load(file)


async def test_33_formulas_in_csv(asking: Asking) -> None:
    async with asking(access=Access(Open())) as api:
        await api.post("/api/v1/freezes", json={"for_s": 60, "author": FORMULA, "reason": FORMULA})
        row = (await api.get("/api/v1/audit", params={"limit": 1})).json()[0]
    assert row["who"] == FORMULA and csv_text(["who"], [[row["who"]]]).splitlines()[1].startswith("\"'=")


def test_34_addresses_from_strangers(daemon: Daemon, tokens: TokenStore) -> None:
    document = json.dumps(guarded(daemon, tokens).openapi())
    names = set(re.findall(r'"(\w*(?:url|uri|host|webhook|address|endpoint)\w*)": \{"', document)) - {"address"}
    assert names == set(), "no request has the daemon ask an address"
    with pytest.raises(NotKnown, match="asks http://api alone"):
        service_of({"service": "chat", "api": "http://169.254.169.254"}, "http://api")


async def test_35_sql_in_questions(asking: Asking, tokens: TokenStore) -> None:
    async with asking(made(tokens, Role.ADMIN)) as api:
        everything = (await api.get("/api/v1/audit")).json()
        for sql in ("' OR 1=1 --", "%", "_", "x'; DROP TABLE audit; --"):
            for field in ("who", "subject", "action", "text"):
                assert (await api.get("/api/v1/audit", params={field: sql})).json() == [] or field == "text"
            assert (await api.get(f"/api/v1/decisions/{sql}")).status_code == 404
        assert (await api.get("/api/v1/audit")).json() == everything != []


async def test_36_lines_put_into_logs(asking: Asking) -> None:
    async with asking(access=Access(Open())) as api:
        for author in ("ada\n2026-11-21 [info] policy written", "ada\r", "\x1b[2Jada"):
            assert (await api.post("/api/v1/freezes", json=FREEZE | {"author": author})).status_code == 422


async def test_37_a_stale_write(asking: Asking, tokens: TokenStore, daemon: Daemon) -> None:
    policy = daemon.memory.services["chat"].policy.model_dump(mode="json")
    async with asking(made(tokens, Role.OPERATOR)) as api:
        first = [
            api.put("/api/v1/policies/chat", json=BY | {"policy": replaced(policy, most), "base_version": 1})
            for most in (5, 6, 7)
        ]
        answers = sorted(answer.status_code for answer in await asyncio.gather(*first))
        assert answers == [200, 409, 409] and len(daemon.policies.history("chat")) == 2


def replaced(policy: dict[str, Any], most: int) -> dict[str, Any]:
    return policy | {"replicas": policy["replicas"] | {"max": most}}


async def test_38_pretending_to_be_passed_on(asking: Asking) -> None:
    headers = {"Leadtime-Passed-On": "1", "X-Forwarded-For": "127.0.0.1", "X-Forwarded-User": "admin"}
    assert (await asked(asking, None, "POST", "/freezes", json=FREEZE, headers=headers)).status_code == 401


async def test_39_a_credential_in_the_address(asking: Asking, tokens: TokenStore) -> None:
    token = made(tokens, Role.ADMIN)
    for name in ("token", "access_token", "authorization", "api_key"):
        assert (await asked(asking, None, "GET", "/me", params={name: token})).status_code == 401
    assert (await asked(asking, None, "GET", "/me", headers={"Cookie": f"token={token}"})).status_code == 401


async def test_40_a_record_that_was_touched(asking: Asking, tokens: TokenStore, daemon: Daemon) -> None:
    async with asking(made(tokens, Role.ADMIN)) as api:
        await api.post("/api/v1/freezes", json=FREEZE)
        with daemon.policies._engine.begin() as connection:
            connection.execute(sa.update(AUDIT).where(AUDIT.c.action == "override.make").values(who="bob"))
        assert "altered" in (await api.get("/api/v1/audit/verify")).json()["broken"]


async def test_41_an_error_that_tells_too_much(asking: Asking, tokens: TokenStore, daemon: Daemon) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("/srv/leadtime password=hunter2")

    daemon.overrides.in_force = broken  # type: ignore[assignment, method-assign]
    answer = await asked(asking, made(tokens, Role.VIEWER), "GET", "/overrides")
    assert (answer.status_code, answer.text) == (500, "Internal Server Error")


async def test_42_a_connection_that_never_finishes(daemon: Daemon, tokens: TokenStore) -> None:
    async with served(daemon, tokens) as port:
        slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
        for connection in slow:
            connection.send(b"POST /api/v1/freezes HTTP/1.1\r\nHost: api\r\nContent-Length: 100\r\n")
        async with httpx.AsyncClient(timeout=60.0) as http:
            assert (await http.get(f"http://127.0.0.1:{port}/healthz")).status_code == 200
            headers = {"X-Long": "a" * 100_000}
            assert (await http.get(f"http://127.0.0.1:{port}/healthz", headers=headers)).status_code in (400, 431)
        for connection in slow:
            connection.close()


async def test_43_questions_for_too_much(asking: Asking, tokens: TokenStore) -> None:
    async with asking(made(tokens, Role.VIEWER)) as api:
        for path in (
            "services/chat/series?max_points=100000000",
            "decisions?limit=1000000",
            "audit?limit=1000000",
            "services/chat/forecast/accuracy?span_s=1e300",
            "services/chat/forecast/days?days=99999",
        ):
            assert (await api.get(f"/api/v1/{path}")).status_code == 422, path


def test_44_a_token_in_a_process_list() -> None:
    assert not [argument for argument in sys.argv if argument.startswith("leadtime_")]
    source = (Path(__file__).parents[3] / "app" / "cli").glob("*.py")
    assert not [file.name for file in source if re.search(r'"--token\b|"--password\b|"--secret\b', file.read_text())]


def test_every_attack_is_a_row_of_the_page_and_every_row_an_attack() -> None:
    rows = re.findall(r"^\| (\d\d) \|", DOCS.read_text(encoding="utf-8"), flags=re.M)
    tests = re.findall(r"^(?:async )?def test_(\d\d)_", Path(__file__).read_text(encoding="utf-8"), flags=re.M)
    assert rows == tests and len(rows) >= 30
