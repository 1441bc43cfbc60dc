"""Users who are known by the token of an issuer (E-15, RFC 8725)."""

import base64
import hmac
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from jwt.warnings import InsecureKeyLengthWarning
from pyramid.interfaces import IAuthenticationPolicy
from pyramid.request import Request
from security.conftest import Lines
from support.busy import BUSY_SECONDS
from support.issuers import (
    AUDIENCE,
    ISSUER,
    Issuer,
    Key,
    answering,
    described,
    ec_key,
    ed_key,
    key_set,
    part,
    rsa_key,
    serving,
    token,
)
from support.shared_apps import make_app
from support.sharing import Toadstool
from testapp import Mushroom
from webtest import TestApp
from zope.interface.verify import verifyObject

from cliquet.authentication import JWTPolicy
from cliquet.testing.bounded import PATIENCE_SECONDS, Thread

USE = "cliquet.authentication.JWTPolicy"
SECRET = "s" * 64
KEY, OTHER = rsa_key(), rsa_key()
ELLIPTIC = ec_key()


ANY_SECRET = JWTPolicy(ISSUER, AUDIENCE, secret=SECRET)


@pytest.fixture
def keys(tmp_path: Path) -> str:
    path = tmp_path / "keys.json"
    path.write_bytes(key_set(KEY, ELLIPTIC))
    return str(path)


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with serving(Issuer(KEY)) as served:
        yield served


def bearing(text: str) -> Request:
    return Request.blank("/", headers={"Authorization": f"Bearer {text}"})


def policy_of(keys: str | None, **options: Any) -> JWTPolicy:
    return JWTPolicy(ISSUER, AUDIENCE, keys, **options)


def is_known(policy: JWTPolicy, text: str) -> bool:
    return policy.authenticated_userid(bearing(text)) is not None


def service(keys: str, **options: Any) -> TestApp:
    prefix = "multiauth.policy.jwt"
    return make_app(
        [Mushroom, Toadstool],
        settings={
            "toadstool_create_principals": "system.Authenticated",
            "multiauth.policies": "basicauth jwt",
            f"{prefix}.use": USE,
            f"{prefix}.issuer": ISSUER,
            f"{prefix}.audience": AUDIENCE,
            f"{prefix}.keys": keys,
            **{f"{prefix}.{name}": value for name, value in options.items()},
        },
    )


def headers(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


# Over HTTP


@pytest.mark.clause("E-15.1", "E-15.2")
def test_the_subject_of_a_token_is_the_user(keys: str) -> None:
    app = service(keys)

    hello = app.get("/v0/", headers=headers(token(KEY)))
    created = app.post_json("/v0/mushrooms", {"data": {"name": "Cep"}}, headers=headers(token(KEY)))
    others = app.get("/v0/mushrooms", headers=headers(token(KEY, sub="bob")))

    assert hello.json["user"] == {"id": "jwt:ann"}
    assert created.status_int == 201
    assert others.json["data"] == []


@pytest.mark.clause("E-15.2", "H-4.10")
def test_a_refused_token_is_401_and_the_challenge_says_so(keys: str) -> None:
    app = service(keys, realm="Mycology")

    without = app.get("/v0/mushrooms", status=401)
    refused = app.get("/v0/mushrooms", headers=headers(token(OTHER)), status=401)

    assert 'Bearer realm="Mycology"' in without.headers.getall("WWW-Authenticate")
    assert 'Bearer realm="Mycology", error="invalid_token"' in refused.headers.getall(
        "WWW-Authenticate"
    )


@pytest.mark.clause("E-15.5")
def test_a_claim_gives_principals(keys: str) -> None:
    app = service(keys, principals_claim="groups")
    body = {"data": {"name": "Fly"}, "permissions": {"read": ["group:staff"]}}
    bobs = headers(token(KEY, sub="bob"))
    made = app.post_json("/v0/toadstools", body, headers=bobs)
    url = f"/v0/toadstools/{made.json['data']['id']}"

    app.get(url, headers=headers(token(KEY, groups=["staff", "cooks"])))
    app.get(url, headers=headers(token(KEY, groups="cooks staff")))
    app.get(url, headers=headers(token(KEY, groups=["cooks"])), status=403)
    app.get(url, headers=headers(token(KEY, groups={"staff": 1})), status=403)
    app.get(url, headers=headers(token(KEY)), status=403)


@pytest.mark.clause("E-15.5")
def test_names_of_a_claim_are_no_users_and_no_principals_of_the_system(keys: str) -> None:
    policy = policy_of(keys, principals_claim="groups")
    names = ["system.Everyone", "jwt:bob", "", 1, None, "a\x00b"]

    assert policy.effective_principals(bearing(token(KEY, groups=names))) == [
        "group:system.Everyone",
        "group:jwt:bob",
    ]


@pytest.mark.clause("E-15.6")
def test_no_keys_and_no_issuer_is_503(issuer: Issuer) -> None:
    issuer.status = 500
    app = service(issuer.url)

    refused = app.get("/v0/mushrooms", headers=headers(token(KEY)), status=503)

    assert int(refused.headers["Retry-After"]) > 0
    # The others are served meanwhile.
    app.get("/v0/", status=200)


@pytest.mark.clause("E-15.2")
def test_the_policy_is_one_of_pyramid(keys: str) -> None:
    policy = policy_of(keys)

    verifyObject(IAuthenticationPolicy, policy)
    assert policy.remember(Request.blank("/"), "ann") == []
    assert policy.unauthenticated_userid(bearing(token(KEY))) == "ann"


# What is refused (RFC 8725)


def unsigned() -> str:
    return token(KEY).rpartition(".")[0] + "."


def of_algorithm_none(name: str) -> str:
    _, payload, _ = token(KEY).split(".")
    return f"{part({'alg': name, 'typ': 'JWT'})}.{payload}."


def signed_with_the_public_key() -> str:
    """Return a token whose secret is the public key, which everybody knows."""
    public = KEY[2].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    start = f"{part({'alg': 'HS256', 'kid': KEY[0]})}.{token(KEY).split('.')[1]}"
    return f"{start}.{part(hmac.digest(public, start.encode(), 'sha256'))}"


def with_payload(text: bytes) -> str:
    """Return a token with a valid signature of a payload that no library would write."""
    import jwt

    return jwt.api_jws.encode(text, KEY[2], "RS256", headers={"kid": KEY[0]})


def changed(text: str) -> str:
    header, payload, signature = text.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    return f"{header}.{part({**claims, 'sub': 'bob'})}.{signature}"


NOW = int(time.time())
REFUSED: dict[str, Callable[[], str]] = {
    # 2.1, 3.1: the algorithm
    "unsigned": unsigned,
    "alg none": lambda: of_algorithm_none("none"),
    "alg None": lambda: of_algorithm_none("None"),
    "no alg": lambda: of_algorithm_none(""),
    "public key as secret": signed_with_the_public_key,
    "an algorithm that is not listed": lambda: token((KEY[0], "RS512", KEY[2])),
    "another kind of key under the name": lambda: token(("e1", "RS256", OTHER[2])),
    # 3.2: the signature
    "signed by somebody else": lambda: token(OTHER),
    "changed": lambda: changed(token(KEY)),
    # 2.9, 3.10: headers that bring a key
    "jwk": lambda: token(OTHER, headers={"jwk": described(OTHER)}),
    "jku": lambda: token(OTHER, headers={"jku": "https://evil.example/keys"}),
    "x5u": lambda: token(OTHER, headers={"x5u": "https://evil.example/cert"}),
    "kid that is a path": lambda: token(("../../../../dev/null", *OTHER[1:])),
    "kid that is SQL": lambda: token(("' OR 1=1 --", *OTHER[1:])),
    # RFC 7515 4.1.11
    "crit": lambda: token(KEY, headers={"crit": ["exp"]}),
    "b64": lambda: token(KEY, headers={"b64": False}),
    # 3.8, 3.9: issuer and audience
    "another issuer": lambda: token(KEY, iss="https://evil.example"),
    "issuer that begins alike": lambda: token(KEY, iss=ISSUER[:-1]),
    "no issuer": lambda: token(KEY, iss=None),
    "another audience": lambda: token(KEY, aud="https://other.example"),
    "audience that contains ours": lambda: token(KEY, aud=AUDIENCE + "x"),
    "empty audience": lambda: token(KEY, aud=[]),
    "no audience": lambda: token(KEY, aud=None),
    # Time
    "expired": lambda: token(KEY, exp=int(time.time()) - 60),
    "not valid yet": lambda: token(KEY, nbf=int(time.time()) + 60),
    "issued in the future": lambda: token(KEY, iat=int(time.time()) + 60),
    "no end": lambda: token(KEY, exp=None),
    "an end that is a text": lambda: with_payload(
        json.dumps({"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "exp": "never"}).encode()
    ),
    "an end beyond all numbers": lambda: with_payload(
        f'{{"iss": "{ISSUER}", "aud": "{AUDIENCE}", "sub": "ann", "exp": 1e999}}'.encode()
    ),
    # The user
    "no subject": lambda: token(KEY, sub=None),
    "empty subject": lambda: token(KEY, sub=""),
    "a subject that no database holds": lambda: token(KEY, sub="a\x00b"),
    "a subject that is too long": lambda: token(KEY, sub="a" * 513),
    "a subject that is a number": lambda: with_payload(
        json.dumps({"iss": ISSUER, "aud": AUDIENCE, "sub": 5, "exp": NOW + 600}).encode()
    ),
    # The form
    "no token": lambda: "",
    "two parts": lambda: "a.b",
    "five parts": lambda: "a.b.c.d.e",
    "not ASCII": lambda: token(KEY) + "é",
    "too long": lambda: token(KEY, more="a" * 9000),
    "a header that is a list": lambda: f"{part([])}.{part({})}.aa",
    "a header that is no JSON": lambda: f"{part(b'{')}.{part({})}.aa",
    "a payload that is nested": lambda: with_payload(b"[" * 3000),
    "a payload that is a list": lambda: with_payload(b"[]"),
    "a payload that is no text": lambda: with_payload(b"\xff\xfe"),
}


@pytest.mark.clause("E-15.3")
@pytest.mark.parametrize("kind", REFUSED)
def test_forged_and_foreign_tokens_are_refused(keys: str, kind: str) -> None:
    assert not is_known(policy_of(keys), REFUSED[kind]())


@pytest.mark.clause("E-15.3")
def test_a_token_that_differs_in_nothing_is_accepted(keys: str) -> None:
    policy = policy_of(keys)

    assert is_known(policy, token(KEY))
    assert is_known(policy, token(ELLIPTIC))
    assert is_known(policy, token(KEY, aud=["https://other.example", AUDIENCE]))
    assert is_known(policy, token(KEY, nbf=NOW))


@pytest.mark.clause("E-15.3")
@hypothesis.settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=4), st.text(max_size=60))
def test_no_text_makes_the_policy_fail(parts: list[bytes], text: str) -> None:
    policy = ANY_SECRET

    for one in (".".join(map(part, parts)), text, f"{part({'alg': 'HS256'})}.{text}."):
        assert not is_known_text(policy, one)


def is_known_text(policy: JWTPolicy, text: str) -> bool:
    request = Request.blank("/")
    request.environ["HTTP_AUTHORIZATION"] = "Bearer " + text.encode("utf-8", "replace").decode(
        "latin-1"
    )
    return policy.authenticated_userid(request) is not None


@pytest.mark.clause("E-15.3")
def test_another_type_of_token_of_the_issuer_is_refused(keys: str) -> None:
    policy = policy_of(keys, token_type="at+jwt")

    assert is_known(policy, token(KEY, headers={"typ": "at+jwt"}))
    assert is_known(policy, token(KEY, headers={"typ": "application/AT+JWT"}))
    assert not is_known(policy, token(KEY, headers={"typ": "JWT"}))
    assert not is_known(policy, token(KEY, headers={"typ": None}))


@pytest.mark.clause("E-15.3")
def test_clocks_may_differ_by_the_leeway(keys: str) -> None:
    late = token(KEY, exp=int(time.time()) - 20)

    assert is_known(policy_of(keys), late)
    assert not is_known(policy_of(keys, leeway_seconds=0), late)


@pytest.mark.clause("E-15.3")
@pytest.mark.parametrize(
    ("header", "userid"),
    [
        ("bearer {}", "ann"),
        ("BEARER   {}", "ann"),
        ("Basic {}", None),
        ("Token {}", None),
        ("{}", None),
        ("Bearer {} {}", None),
    ],
)
def test_only_the_scheme_of_tokens_is_read(keys: str, header: str, userid: str | None) -> None:
    text = token(KEY)
    request = Request.blank("/", headers={"Authorization": header.format(text, text)})

    assert policy_of(keys).authenticated_userid(request) == userid


@pytest.mark.clause("E-15.3")
def test_the_log_says_why_a_token_is_refused_and_not_the_token(keys: str, log_lines: Lines) -> None:
    app = make_app(
        [Mushroom],
        settings={
            "logging_renderer": log_lines.renderer,
            "multiauth.policies": "jwt",
            "multiauth.policy.jwt.use": USE,
            "multiauth.policy.jwt.issuer": ISSUER,
            "multiauth.policy.jwt.audience": AUDIENCE,
            "multiauth.policy.jwt.keys": keys,
        },
    )
    text = token(KEY, aud="https://other.example")

    app.get("/v0/mushrooms", headers=headers(text), status=401)

    [line] = [line for line in log_lines if line["event"] == "request.summary"]
    assert "udience" in line["token_refused"]
    assert text not in json.dumps(log_lines, default=str)


# Keys


@pytest.mark.clause("E-15.4")
@pytest.mark.parametrize(
    "more",
    [
        {"use": "enc"},
        {"key_ops": ["encrypt"]},
        {"key_ops": "verify"},
        {"alg": "RS512"},
        {"alg": "RSA-OAEP"},
        {"kty": "oct", "k": part(SECRET.encode())},
        {"kty": None},
        {"kid": "other"},
        {"n": "AQAB"},
        {"n": 7},
        {"alg": ["RS256"]},
        {"alg": {}},
        {"kty": ["RSA"]},
        {"crv": {}, "kty": "EC"},
    ],
    ids=str,
)
def test_keys_for_something_else_verify_nothing(tmp_path: Path, more: dict[str, Any]) -> None:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": [described(KEY, **more), described(ELLIPTIC), 5]}))

    assert not is_known(policy_of(str(path)), token(KEY))
    assert is_known(policy_of(str(path)), token(ELLIPTIC))


@pytest.mark.clause("E-15.4")
def test_short_keys_verify_nothing(tmp_path: Path) -> None:
    short = rsa_key("short", bits=1024)
    path = tmp_path / "keys.json"
    path.write_bytes(key_set(short, KEY))

    with pytest.warns(InsecureKeyLengthWarning):
        text = token(short)

    assert not is_known(policy_of(str(path)), text)
    assert is_known(policy_of(str(path)), token(KEY))


@pytest.mark.clause("E-15.4")
def test_a_token_without_the_name_of_a_key_is_compared_with_all(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(key_set(OTHER, KEY))

    assert is_known(policy_of(str(path)), token(KEY, headers={"kid": None}))
    assert not is_known(policy_of(str(path)), token(rsa_key(), headers={"kid": None}))


@pytest.mark.clause("E-15.4")
@pytest.mark.parametrize("key", [rsa_key(algorithm="PS256"), ed_key()], ids=["PS256", "EdDSA"])
def test_other_algorithms_are_accepted_where_they_are_listed(tmp_path: Path, key: Key) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(key_set(key))

    assert is_known(policy_of(str(path), algorithms=key[1]), token(key))
    assert not is_known(policy_of(str(path)), token(key))


@pytest.mark.clause("E-15.4")
def test_a_shared_secret_verifies_too() -> None:
    import jwt
    from support.issuers import claims

    policy = JWTPolicy(ISSUER, AUDIENCE, secret=SECRET)

    assert is_known(policy, jwt.encode(claims(), SECRET, "HS256"))
    assert not is_known(policy, jwt.encode(claims(), "t" * 64, "HS256"))
    assert not is_known(policy, token(KEY))


@pytest.mark.clause("E-15.6")
def test_the_keys_of_a_url_are_read_once_for_many_requests(issuer: Issuer) -> None:
    policy = policy_of(issuer.url)

    assert all(is_known(policy, token(KEY, sub=f"user{n}")) for n in range(5))
    assert issuer.asked == 1


@pytest.mark.clause("E-15.6")
def test_a_new_key_is_found_at_its_first_token(issuer: Issuer) -> None:
    policy = policy_of(issuer.url)
    assert is_known(policy, token(KEY))
    new = rsa_key("r2")
    issuer.body = key_set(KEY, new)

    assert is_known(policy, token(new))
    assert issuer.asked == 2


@pytest.mark.clause("E-15.6")
def test_names_that_are_made_up_do_not_make_the_service_ask_again(issuer: Issuer) -> None:
    policy = policy_of(issuer.url)

    assert not any(is_known(policy, token((f"k{n}", *OTHER[1:]))) for n in range(20))
    assert issuer.asked == 2


@pytest.mark.clause("E-15.6")
def test_requests_at_once_ask_once(issuer: Issuer) -> None:
    policy = policy_of(issuer.url)
    issuer.may_answer.clear()
    found: list[bool] = []
    text = token(KEY)
    threads = [Thread(target=lambda: found.append(is_known(policy, text))) for _ in range(6)]
    for thread in threads:
        thread.start()
    time.sleep(0.1)
    issuer.may_answer.set()
    for thread in threads:
        thread.join()

    assert found == [True] * 6
    assert issuer.asked == 1


@pytest.mark.clause("E-15.6")
def test_old_keys_are_read_again_in_the_background(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cliquet.security.issuer_keys.FAILURE_SECONDS", 0)
    policy = policy_of(issuer.url, refresh_seconds=1)
    assert is_known(policy, token(KEY))
    issuer.body = key_set(OTHER)
    issuer.may_answer.clear()
    time.sleep(1.1)

    # The request is answered by the old keys while the issuer takes its time.
    assert is_known(policy, token(KEY, sub="bob"))
    issuer.may_answer.set()

    assert eventually(lambda: not is_known(policy, token(KEY, sub="bob")))
    assert is_known(policy, token(OTHER))


@pytest.mark.clause("E-15.6")
def test_old_keys_serve_until_a_thread_can_be_started_to_read_others(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cliquet.security.issuer_keys.FAILURE_SECONDS", 0)
    policy = policy_of(issuer.url, refresh_seconds=1)
    assert is_known(policy, token(KEY))
    issuer.body = key_set(OTHER)
    time.sleep(1.1)

    def refuse(thread: Any) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr("threading.Thread.start", refuse)
        assert is_known(policy, token(KEY, sub="bob"))

    assert eventually(lambda: not is_known(policy, token(KEY, sub="bob")))


@pytest.mark.clause("E-15.6")
def test_known_keys_stay_while_the_issuer_is_down(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cliquet.security.issuer_keys.FAILURE_SECONDS", 0)
    policy = policy_of(issuer.url, refresh_seconds=1)
    assert is_known(policy, token(KEY))
    time.sleep(1.1)

    for body, status in ((b"", 500), (b"{}", 200), (b"[", 200), (b"[" * 2**21, 200)):
        issuer.body, issuer.status = body, status
        assert wait_for_refresh(issuer, policy)
        assert is_known_now(policy)


def wait_for_refresh(issuer: Issuer, policy: JWTPolicy) -> bool:
    asked = issuer.asked
    return eventually(lambda: issuer.asked > asked or not is_known_now(policy))


def is_known_now(policy: JWTPolicy) -> bool:
    return is_known(policy, token(KEY, sub=f"user{time.monotonic_ns()}"))


@pytest.mark.clause("E-15.6")
def test_a_failure_is_not_repeated_at_once(issuer: Issuer) -> None:
    issuer.status = 503
    app = service(issuer.url)

    for _ in range(5):
        app.get("/v0/mushrooms", headers=headers(token(KEY)), status=503)

    assert issuer.asked == 1


@pytest.mark.clause("E-15.6")
@pytest.mark.parametrize(
    "answer",
    [
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 70_000 + b"\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{}",
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:bad/\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: https://exa mple/\r\n\r\n",
        b"",
    ],
    ids=range(7),
)
def test_what_is_no_answer_of_http_is_503(answer: bytes) -> None:
    with answering(answer) as url:
        service(url).get("/v0/mushrooms", headers=headers(token(KEY)), status=503)


@pytest.mark.clause("E-15.6")
def test_an_issuer_that_dawdles_costs_the_time_limit_and_no_more() -> None:
    with answering(b"HTTP/1.1 200 OK\r\n", dawdle=b"X-More: a\r\n") as url:
        app = service(url, timeout_seconds=0.5)
        start = time.monotonic()

        app.get("/v0/mushrooms", headers=headers(token(KEY)), status=503)

        assert time.monotonic() - start < BUSY_SECONDS


@pytest.mark.clause("E-15.6")
def test_redirections_do_not_lead_off_https(issuer: Issuer) -> None:
    with serving(Issuer(OTHER)) as other:
        issuer.status = 302
        issuer.headers = {"Location": other.url.replace("127.0.0.1", "127.0.0.2")}
        app = service(issuer.url)

        app.get("/v0/mushrooms", headers=headers(token(OTHER)), status=503)

        assert other.asked == 0


def eventually(check: Callable[[], bool]) -> bool:
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        if check():
            return True
        time.sleep(0.02)
    return False


# Verified tokens


@pytest.mark.clause("E-15.7")
def test_a_verified_token_is_remembered_until_its_end_and_not_longer(
    keys: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = policy_of(keys, leeway_seconds=0)
    text = token(KEY, exp=int(time.time()) + 100)
    decoded: list[str] = []
    decode = policy._jwt.decode

    def counted(token: str, *args: Any, **options: Any) -> Any:
        decoded.append(token)
        return decode(token, *args, **options)

    monkeypatch.setattr(policy._jwt, "decode", counted)

    assert is_known(policy, text)
    assert is_known(policy, text)
    assert len(decoded) == 1
    later = time.time() + 101
    monkeypatch.setattr("cliquet.security.jwt_policy.time.time", lambda: later)
    is_known(policy, text)
    assert len(decoded) == 2


@pytest.mark.clause("E-15.7")
def test_a_token_whose_key_was_withdrawn_is_forgotten(issuer: Issuer) -> None:
    policy = policy_of(issuer.url)
    old = token(KEY)
    assert is_known(policy, old)
    issuer.body = key_set(rsa_key("r2"))

    # Another token lets the keys be read again.
    is_known(policy, token(("r2", *OTHER[1:])))

    assert not is_known(policy, old)


@pytest.mark.clause("E-15.6", "E-15.7")
def test_known_tokens_do_not_keep_old_keys_alive(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cliquet.security.issuer_keys.FAILURE_SECONDS", 0)
    policy = policy_of(issuer.url, refresh_seconds=1)
    text = token(KEY)
    assert is_known(policy, text)
    issuer.body = key_set(rsa_key("r2"))
    time.sleep(1.1)

    # No other token is sent meanwhile.
    assert eventually(lambda: not is_known(policy, text))


@pytest.mark.clause("E-15.7")
def test_tokens_that_differ_in_one_character_are_others(keys: str) -> None:
    policy = policy_of(keys)
    text = token(KEY)
    assert is_known(policy, text)

    header, payload, signature = text.split(".")
    first = "B" if signature.startswith("A") else "A"
    for forged in (signature[:-2], first + signature[1:]):
        assert not is_known(policy, f"{header}.{payload}.{forged}")


# Options


@pytest.mark.clause("E-15.8")
@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({}, "keys"),
        ({"keys": "{keys}", "secret": SECRET}, "keys"),
        ({"keys": "/nowhere/keys.json"}, "/nowhere/keys.json"),
        ({"keys": "http://issuer.example/keys"}, "https"),
        ({"keys": "ftp://issuer.example/keys"}, "https"),
        ({"keys": "{keys}", "algorithms": "none"}, "algorithms"),
        ({"keys": "{keys}", "algorithms": "HS256"}, "algorithms"),
        ({"keys": "{keys}", "algorithms": ""}, "algorithms"),
        ({"secret": SECRET, "algorithms": "RS256"}, "algorithms"),
        ({"secret": "short"}, "32 bytes"),
        ({"secret": "s" * 40, "algorithms": "HS512"}, "64 bytes"),
        ({"keys": "{keys}", "issuer": ""}, "issuer"),
        ({"keys": "{keys}", "audience": " "}, "audience"),
        ({"keys": "{keys}", "leeway_seconds": "-1"}, "leeway_seconds"),
        ({"keys": "{keys}", "leeway_seconds": "soon"}, "leeway_seconds"),
        ({"keys": "{keys}", "refresh_seconds": 0}, "refresh_seconds"),
        ({"keys": "{keys}", "timeout_seconds": 0}, "timeout_seconds"),
        ({"keys": "{keys}", "principals_prefix": ""}, "principals_prefix"),
        ({"keys": "{keys}", "realm": 'a"b'}, "realm"),
        ({"keys": "{keys}", "userid_claim": ""}, "userid_claim"),
    ],
    ids=str,
)
def test_options_that_would_accept_anybody_stop_the_start(
    keys: str, options: dict[str, Any], named: str
) -> None:
    given = {"issuer": ISSUER, "audience": AUDIENCE, **options}
    if given.get("keys") == "{keys}":
        given["keys"] = keys

    with pytest.raises(ValueError, match=re.escape(named)):
        JWTPolicy(**given)


@pytest.mark.clause("E-15.8")
def test_a_wrong_option_is_named_with_its_setting(keys: str) -> None:
    with pytest.raises(Exception, match=r"multiauth\.policy\.jwt\.use.*'algorithms' has 'none'"):
        service(keys, algorithms="none")


@pytest.mark.clause("E-15.8")
@pytest.mark.parametrize(
    "text",
    [b"[", b"{}", b"[]", b'{"keys": {}}', b'{"keys": [{"kty": "oct", "k": "aaaa"}]}'],
)
def test_a_file_without_a_usable_key_stops_the_start(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(text)

    with pytest.raises(ValueError, match="the set"):
        policy_of(str(path))
