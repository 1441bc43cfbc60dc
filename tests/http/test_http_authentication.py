"""Who sends a request, and what users may do to user resources (sections 4 and 5.1)."""

import base64
import hashlib
import hmac
from typing import Any

import pytest
from pyramid.security import NO_PERMISSION_REQUIRED
from support.shared_apps import make_app
from testapp import Mushroom
from webtest import TestApp

from cliquet import Service, utils
from cliquet.testing.web import basic_auth

RECORD_ID = "d1d1d1d1-0000-4000-8000-000000000001"
RECORD = f"/v0/mushrooms/{RECORD_ID}"
NAMED = {"data": {"name": "cep"}}
UNAUTHORIZED = {
    "code": 401,
    "errno": 104,
    "error": "Unauthorized",
    "message": "Please authenticate yourself to use this endpoint.",
}
ENDPOINTS = [
    ("GET", "/v0/mushrooms"),
    ("HEAD", "/v0/mushrooms"),
    ("POST", "/v0/mushrooms"),
    ("DELETE", "/v0/mushrooms"),
    ("GET", RECORD),
    ("HEAD", RECORD),
    ("PUT", RECORD),
    ("PATCH", RECORD),
    ("DELETE", RECORD),
]
NO_CREDENTIALS = {
    "unknown scheme": "Carrier pigeon",
    "unknown scheme alone": "Carrier",
    "scheme of no policy": "Bearer x",
    "no value": "Basic",
    "blank value": "Basic ",
    "bad base64": "Basic !!!",
    "bad padding": "Basic bWF0OjE",
    "no colon": "Basic " + base64.b64encode(b"mat").decode(),
    "empty user name": "Basic " + base64.b64encode(b":secret").decode(),
    "empty header": "",
}


class TokenPolicy:
    """Knows the user that the header `Token` names."""

    def __init__(self, challenge: str = "") -> None:
        self.challenge = challenge

    def authenticated_userid(self, request: Any) -> Any:
        return request.headers.get("Token")

    unauthenticated_userid = authenticated_userid

    def effective_principals(self, request: Any) -> list[Any]:
        return []

    def remember(self, request: Any, userid: Any, **kwargs: Any) -> list[Any]:
        return []

    def forget(self, request: Any) -> Any:
        return [("WWW-Authenticate", self.challenge)] if self.challenge else []


TWO_POLICIES = {
    "multiauth.policies": "Token basicauth",
    "multiauth.policy.Token.use": f"{__name__}.TokenPolicy",
}


def authorization(credentials: Any, scheme: str = "Basic") -> dict[str, Any]:
    """Return the headers of credentials given as bytes."""
    return {"Authorization": f"{scheme} {base64.b64encode(credentials).decode()}"}


def user_of(app: TestApp, **kwargs: Any) -> Any:
    """Return the user that the service recognises in a request, or None."""
    user = app.get("/v0/", status=200, **kwargs).json.get("user")
    return user and user["id"]


@pytest.fixture(scope="module")
def app() -> TestApp:
    return make_app([Mushroom])


# Policies


@pytest.mark.clause("H-4.1", "H-4.2", "H-4.3", "S-16.4", "S-16.9", "P-5.1", "P-5.2")
def test_the_first_policy_that_knows_the_user_wins_and_names_the_id() -> None:
    both = {**basic_auth("mat", "1"), "Token": "mat"}
    first = make_app(settings=TWO_POLICIES)
    last = make_app(settings={**TWO_POLICIES, "multiauth.policies": "basicauth\n Token"})
    assert user_of(first, headers=both) == "token:mat"
    assert user_of(last, headers=both).startswith("basicauth:")
    for app in (first, last):
        assert user_of(app, headers={"Token": "mat"}) == "token:mat"
        assert user_of(app, headers=basic_auth("mat", "1")).startswith("basicauth:")


@pytest.mark.clause("H-4.3", "S-16.4")
def test_the_same_person_under_two_policies_is_two_users() -> None:
    app = make_app([Mushroom], settings=TWO_POLICIES)
    app.put_json(RECORD, NAMED, headers={"Token": "mat"}, status=201)
    app.get(RECORD, headers=basic_auth("mat", "1"), status=404)
    app.get(RECORD, headers={"Token": "mat"}, status=200)


@pytest.mark.clause("H-4.3", "S-16.1")
@pytest.mark.setting("multiauth.policies", "multiauth.policy.{name}.use")
def test_a_policy_may_have_another_name() -> None:
    app = make_app(
        settings={
            "multiauth.policies": "Local",
            "multiauth.policy.Local.use": "cliquet.authentication.BasicAuthAuthenticationPolicy",
        }
    )
    digest = hmac.new(b"", b"mat:1", hashlib.sha256).hexdigest()
    assert user_of(app, headers=basic_auth("mat", "1")) == f"local:{digest}"


@pytest.mark.clause("H-4.1", "S-16.1")
@pytest.mark.setting("multiauth.policies")
def test_policies_that_are_not_listed_are_refused() -> None:
    app = make_app([Mushroom], settings={**TWO_POLICIES, "multiauth.policies": "Token"})
    app.get("/v0/mushrooms", headers=basic_auth(), status=401)
    app.get("/v0/mushrooms", headers={"Token": "mat"}, status=200)


# Basic Auth


@pytest.mark.clause("H-4.5", "H-4.6", "H-4.7", "P-24.3")
@pytest.mark.parametrize(
    ("credentials", "digest"),
    [
        (b"mat:1", "9f2d363f98418b13253d6d7193fc88690302ab0ae21295521f6029dffe9dc3b0"),
        (b"mat:", "eb05d2f05022fb52965eca22a1258e80e5e62015fc3a37769d597c02d8d41d7c"),
        (b"a:b:c", "939a165e3e9c4ce06eaaf91ea0444c61a04192622c19beaf0133916803bbfc57"),
        (
            "é:ü".encode(),
            "42041affb6d75c5f5cce159fe9353188df454ac15b45b0b451068836fd53dce5",
        ),
        (
            "é:ü".encode("latin-1"),
            "42041affb6d75c5f5cce159fe9353188df454ac15b45b0b451068836fd53dce5",
        ),
    ],
)
def test_the_user_id_is_the_hmac_of_the_credentials(
    app: TestApp, credentials: bytes, digest: str
) -> None:
    assert user_of(app, headers=authorization(credentials)) == f"basicauth:{digest}"


@pytest.mark.clause("H-4.5", "S-16.3", "S-23.5")
@pytest.mark.setting("userid_hmac_secret")
@pytest.mark.parametrize("secret", ["b4c96a8692291d88fe5a97dd91846eb4", "été", "123456", "12e4"])
def test_the_secret_of_the_settings_is_the_key(secret: str) -> None:
    app = make_app(settings={"userid_hmac_secret": secret})
    digest = hmac.new(secret.encode(), b"mat:1", hashlib.sha256).hexdigest()
    assert user_of(app, headers=basic_auth("mat", "1")) == f"basicauth:{digest}"


@pytest.mark.clause("H-4.4")
@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC", "bAsIc"])
def test_the_scheme_has_no_case(app: TestApp, scheme: str) -> None:
    assert user_of(app, headers=authorization(b"mat:1", scheme)) == user_of(
        app, headers=basic_auth("mat", "1")
    )


@pytest.mark.clause("H-4.4", "H-4.12", "P-24.2")
def test_any_user_name_and_password_designate_a_user_of_their_own(app: TestApp) -> None:
    pairs = [b"mat:1", b"mat:2", b"mat:", b"mat: ", b"alice:1", b"mat:1:", "é:1".encode()]
    users = {user_of(app, headers=authorization(pair)) for pair in pairs}
    assert None not in users
    assert len(users) == len(pairs)


@pytest.mark.clause("H-4.12")
def test_another_password_is_another_user(app: TestApp) -> None:
    app.put_json(RECORD, NAMED, headers=basic_auth("bob", "old"), status=201)
    app.get(RECORD, headers=basic_auth("bob", "new"), status=404)


# No credentials, or bad ones


@pytest.mark.clause("H-4.8", "H-4.9", "P-24.5", "P-20.1")
@pytest.mark.parametrize("value", NO_CREDENTIALS.values(), ids=NO_CREDENTIALS)
def test_unusable_credentials_are_no_credentials(app: TestApp, value: str) -> None:
    response = app.get("/v0/mushrooms", headers={"Authorization": value}, status=401)
    assert response.json == UNAUTHORIZED


@pytest.mark.clause("H-4.9", "H-5.1", "P-24.5")
@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_every_endpoint_of_a_user_resource_requires_a_user(
    app: TestApp, method: str, path: str
) -> None:
    response = app.request(path, method=method, status=401)
    assert response.content_type == "application/json"
    if method != "HEAD":
        assert response.json == UNAUTHORIZED
    assert response.headers["WWW-Authenticate"] == 'Basic realm="Realm"'


@pytest.mark.clause("H-4.10", "S-16.2")
@pytest.mark.setting("multiauth.policy.{name}.{option}")
def test_the_realm_is_a_setting() -> None:
    app = make_app([Mushroom], settings={"multiauth.policy.basicauth.realm": "Forest"})
    response = app.get("/v0/mushrooms", status=401)
    assert response.headers["WWW-Authenticate"] == 'Basic realm="Forest"'


@pytest.mark.clause("H-4.10")
@pytest.mark.parametrize(
    ("challenge", "sent"),
    [
        ("", ['Basic realm="Realm"']),
        ("Token", ["Token", 'Basic realm="Realm"']),
    ],
)
def test_the_challenges_of_every_policy_are_sent(challenge: str, sent: list[Any]) -> None:
    settings = {**TWO_POLICIES, "multiauth.policy.Token.challenge": challenge}
    response = make_app([Mushroom], settings=settings).get("/v0/mushrooms", status=401)
    assert response.headers.getall("WWW-Authenticate") == sent


@pytest.mark.clause("H-4.11")
@pytest.mark.parametrize("value", NO_CREDENTIALS.values(), ids=NO_CREDENTIALS)
def test_bad_credentials_on_a_public_endpoint_are_those_of_nobody(app: TestApp, value: str) -> None:
    assert user_of(app, headers={"Authorization": value}) is None


# Costs


@pytest.mark.clause("H-4.13", "P-24.6")
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_hash_is_computed_once_for_a_new_user(
    app: TestApp, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    calls = []
    hmac_digest = utils.hmac_digest

    def counting(*args: Any, **kwargs: Any) -> Any:
        calls.append(args)
        return hmac_digest(*args, **kwargs)

    monkeypatch.setattr(utils, "hmac_digest", counting)
    kwargs = {"params": NAMED} if method == "POST" else {}
    send = app.post_json if method == "POST" else app.get
    for _ in range(2):
        # The second time the user is known.
        send("/v0/mushrooms", headers=basic_auth("new", method), **kwargs)
        assert len(calls) == 1


@pytest.mark.clause("H-4.13", "P-25.2")
def test_the_groups_of_a_user_are_looked_up_once_per_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def ask_twice(request: Any) -> dict[str, Any]:
        first, second = request.effective_principals, request.effective_principals
        # As a sub-request, or a plug-in, would.
        subrequest = utils.build_request(request, {"path": "/"})
        request.invoke_subrequest(subrequest, use_tweens=False)
        return {"same": first == second, "sub": sorted(subrequest.effective_principals)}

    def configure(config: Any) -> None:
        service = Service(name="asks", path="/asks")
        service.add_view("GET", ask_twice, permission=NO_PERMISSION_REQUIRED)
        config.add_cornice_service(service)

    app = make_app(configure=configure)
    calls = []
    user_principals = app.app.registry.permission.user_principals
    app.app.registry.permission.add_user_principal(
        user_of(app, headers=basic_auth()), "group:pickers"
    )

    def counting(user_id: Any) -> Any:
        calls.append(user_id)
        return user_principals(user_id)

    monkeypatch.setattr(app.app.registry.permission, "user_principals", counting)
    answer = app.get("/v0/asks", headers=basic_auth()).json
    assert answer["same"] is True
    assert "group:pickers" in answer["sub"]
    assert len(calls) == 1


# User resources


@pytest.mark.clause("H-5.1")
def test_a_user_needs_nothing_more_than_to_be_one(app: TestApp) -> None:
    headers = basic_auth("carol", "1")
    app.put_json(RECORD, NAMED, headers=headers, status=201)
    app.get(RECORD, headers=headers, status=200)
    app.patch_json(RECORD, NAMED, headers=headers, status=200)
    app.get("/v0/mushrooms", headers=headers, status=200)
    app.post_json("/v0/mushrooms", NAMED, headers=headers, status=201)
    app.delete(RECORD, headers=headers, status=200)
    app.delete("/v0/mushrooms", headers=headers, status=200)


@pytest.mark.clause("H-5.2")
def test_records_and_timestamps_belong_to_one_user(app: TestApp) -> None:
    mat, alice = basic_auth("mat", "isolated"), basic_auth("alice", "isolated")
    untouched = app.get("/v0/mushrooms", headers=alice).headers["ETag"]

    app.put_json(RECORD, {"data": {"name": "of mat"}}, headers=mat, status=201)

    assert app.get("/v0/mushrooms", headers=alice).json["data"] == []
    assert app.get("/v0/mushrooms", headers=alice).headers["ETag"] == untouched
    app.get(RECORD, headers=alice, status=404)
    app.patch_json(RECORD, NAMED, headers=alice, status=404)
    app.delete(RECORD, headers=alice, status=404)
    app.put_json(RECORD, {"data": {"name": "of alice"}}, headers=alice, status=201)
    assert app.get(RECORD, headers=mat).json["data"]["name"] == "of mat"
    assert app.get(RECORD, headers=alice).json["data"]["name"] == "of alice"


@pytest.mark.clause("H-5.3")
def test_user_resources_work_without_permission_backend() -> None:
    app = make_app([Mushroom], settings={"permission_backend": ""})
    app.put_json(RECORD, NAMED, headers=basic_auth(), status=201)
    assert list(app.get(RECORD, headers=basic_auth()).json) == ["data"]


@pytest.mark.clause("H-5.3", "P-25.11")
def test_user_resources_do_not_ask_the_permission_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_app([Mushroom])
    for operation in (
        "user_principals",
        "check_permission",
        "object_permission_principals",
        "add_principal_to_ace",
        "principals_accessible_objects",
    ):
        monkeypatch.setattr(app.app.registry.permission, operation, None)
    app.put_json(RECORD, NAMED, headers=basic_auth(), status=201)
    app.get(RECORD, headers=basic_auth(), status=200)
    app.get("/v0/mushrooms", headers=basic_auth(), status=200)
    app.delete(RECORD, headers=basic_auth(), status=200)


@pytest.mark.clause("H-5.3", "H-8.6")
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_user_resources_refuse_permissions(app: TestApp, method: str) -> None:
    headers = basic_auth("dave", "1")
    app.put_json(RECORD, NAMED, headers=headers)
    path = "/v0/mushrooms" if method == "POST" else RECORD
    body = {**NAMED, "permissions": {"read": ["system.Everyone"]}}
    send = getattr(app, f"{method.lower()}_json")
    response = send(path, body, headers=headers, status=400)
    assert response.json["message"] == "permissions is not allowed"
