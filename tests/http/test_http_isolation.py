"""Nothing that a stranger sends reveals or changes a record that is not shared with it.

Every attempt below is made by a second user and by an anonymous one; directly and in a batch; where
nobody may create (closed) and where everybody may, and sees one record (open). A response may hold
nothing of the secret values nor of the timestamps of what is hidden, and the store is compared
before and after.
"""

import base64
import itertools
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from support.shared_apps import make_app
from support.sharing import CAP, Amanita, Toadstool, grant, user_id
from testapp import Truffle
from webtest import TestApp

from cliquet.resource.headers import http_date
from cliquet.testing.web import basic_auth

HIDDEN = "11111111-0000-4000-8000-000000000001"
HIDDEN_TOO = "22222222-0000-4000-8000-000000000002"
BURIED = "33333333-0000-4000-8000-000000000003"
SHARED = "44444444-0000-4000-8000-000000000004"
MINE = "55555555-0000-4000-8000-000000000005"
UNUSED = "66666666-0000-4000-8000-000000000006"

# No attempt sends these, so that no response may echo them.
SECRET = "s3cr3t"
HIDDEN_TIMES = {HIDDEN: 1111111111111, HIDDEN_TOO: 1222222222222, BURIED: 1333333333333}
TIMES = [str(time) for time in HIDDEN_TIMES.values()]
DATES = [http_date(time) for time in HIDDEN_TIMES.values()]
# A value that a stranger guesses right, and must learn nothing from.
GUESSED = "guessed"

OWNER = basic_auth("owner", "0")
USERS = {"second-user": basic_auth("second", "2"), "anonymous": {}}
RESOURCES = {"toadstool": "/v0/toadstools", "amanita": "/v0/amanitas"}
CAPS = "/v0/forests/oak/caps"
TRUFFLES = "/v0/truffles"

NAMES = ("toadstool", "amanita", "cap")
WORLDS = {
    "closed": {},
    "open": {f"{name}_create_principals": "system.Everyone" for name in NAMES},
}


class World:
    """An application with hidden records, and what is kept of them."""

    def __init__(self, settings: Any) -> None:
        self.app = make_app([Toadstool, Amanita, CAP, Truffle], settings=settings)
        self.is_open = bool(settings)
        registry = self.app.app.registry
        self.storage, self.permission = registry.storage, registry.permission
        self.owner = user_id(self.app, OWNER)
        self.places = {
            "toadstool": ("", "/toadstools"),
            "amanita": ("", "/amanitas"),
            "cap": ("/forests/oak", "/forests/oak/caps"),
            "truffle": (self.owner, "/truffles"),
        }

    def reset(self) -> Any:
        self.storage.flush()
        self.permission.flush()
        for name, (parent_id, uri) in self.places.items():
            for record_id, code in ((HIDDEN, GUESSED), (HIDDEN_TOO, SECRET), (BURIED, None)):
                record = {"id": record_id, "last_modified": HIDDEN_TIMES[record_id]}
                record.update(name=f"{SECRET} name", code=code, note={SECRET: [SECRET]})
                if name == "truffle":
                    record.update(code=7, email=code)
                self.storage.create(name, parent_id, record)
                grant(self.app, f"{uri}/{record_id}", "write", self.owner)
                grant(self.app, f"{uri}/{record_id}", "read", f"group:{SECRET}")
            self.storage.delete(name, parent_id, BURIED, last_modified=HIDDEN_TIMES[BURIED])
            self.permission.delete_object_permissions(f"{uri}/{BURIED}")
            if name != "truffle":
                self.storage.create(name, parent_id, {"id": SHARED, "name": "shared"})
            if self.is_open:
                grant(self.app, f"{uri}/{SHARED}", "read", "system.Everyone")
        self.permission.add_user_principal(self.owner, f"group:{SECRET}")
        return self

    def records(self, name: Any) -> dict[Any, Any]:
        parent_id, _ = self.places[name]
        found, _ = self.storage.get_all(name, parent_id, include_deleted=True)
        return {record["id"]: record for record in found}

    def kept(self) -> Any:
        """Return what no attempt may change."""
        hidden = {}
        for name, (parent_id, uri) in self.places.items():
            records = self.records(name)
            watched = {HIDDEN, HIDDEN_TOO, SHARED}
            if not self.is_open or name == "truffle":
                # Where nobody may create, nothing changes at all, timestamps included.
                watched |= {BURIED, *records}
                hidden[name] = self.storage.collection_timestamp(name, parent_id)
            for record_id in watched:
                permissions = self.permission.object_permissions(f"{uri}/{record_id}")
                hidden[name, record_id] = records.get(record_id), permissions  # type: ignore[index]
            hidden[uri] = self.permission.object_permissions(uri)
        return hidden, self.permission.user_principals(self.owner)

    def number_of_others(self, name: Any) -> Any:
        """Return how many live records are neither hidden nor deleted."""
        return sum(
            "deleted" not in record and record_id not in HIDDEN_TIMES
            for record_id, record in self.records(name).items()
        )


@pytest.fixture(scope="module")
def worlds() -> dict[Any, Any]:
    """Start one application for each kind of world; `reset` makes it new."""
    return {name: World(settings) for name, settings in WORLDS.items()}


def step(method: str, path: str, body: Any = None, **headers: Any) -> Any:
    return method, path, body, {name.replace("_", "-"): value for name, value in headers.items()}


def token(**last_record: Any) -> Any:
    content = json.dumps({"last_record": last_record, "offset": 0})
    return base64.b64encode(content.encode()).decode().replace("+", "%2B").replace("=", "%3D")


def data(**members: Any) -> dict[str, Any]:
    return {"data": {"name": "x", **members}}


EVERYBODY = ["system.Everyone", "system.Authenticated", "group:mine"]
TAKEN_OVER = {"read": EVERYBODY, "write": EVERYBODY}


def attempts_on_a_record(url: Any) -> Iterator[Any]:
    """Return attempts on one URL of a hidden record, or of what is left of one."""
    yield step("GET", url)
    yield step("HEAD", url)
    yield step("GET", url, If_None_Match='"1"')
    yield step("GET", url, If_None_Match='"253402300799999"')
    yield step("GET", url, If_Match='"1"')
    yield step("GET", url, If_None_Match="*")
    yield step("GET", url + "?_fields=name,note,last_modified")
    yield step("GET", url + "?_fields=__permissions__")
    yield step("PUT", url, data())
    yield step("PUT", url, data(id=url.rsplit("/", 1)[1], last_modified=253402300799998))
    yield step("PUT", url, {**data(), "permissions": TAKEN_OVER})
    yield step("PUT", url, data(), If_Match='"1"')
    yield step("PUT", url, data(), If_Match="*")
    yield step("PUT", url, data(), If_None_Match="*")
    yield step("PATCH", url, data())
    yield step("PATCH", url, {"permissions": TAKEN_OVER})
    yield step("PATCH", url, {"permissions": {"write": []}})
    yield step("PATCH", url, {"data": {"__permissions__": TAKEN_OVER}})
    yield step("PATCH", url, {"data": {}}, Response_Behavior="light")
    yield step("PATCH", url, {"data": {}}, Response_Behavior="diff")
    yield step("PATCH", url, data(), If_Match='"1"')
    yield step("DELETE", url)
    yield step("DELETE", url, If_Match='"1"')
    yield step("DELETE", url + "?last_modified=253402300799998")


def attempts_on_a_collection(url: Any) -> Iterator[Any]:
    """Return attempts to list, to filter, to order, to page, to delete."""
    for query in (
        "",
        "?_since=0",
        "?_before=253402300799999",
        "?_to=253402300799999",
        "?last_modified=253402300799998",
        "?min_last_modified=0&_sort=last_modified",
        "?exclude_last_modified=1",
        f"?id={HIDDEN}",
        f"?in_id={HIDDEN},{HIDDEN_TOO},{BURIED},{SHARED}",
        "?not_id=x",
        "?min_id=0",
        f"?code={GUESSED}",
        "?not_code=x",
        "?min_code=a",
        "?lt_name=z",
        "?exclude_name=shared",
        "?like_name=*",
        "?has_code=true",
        "?deleted=true&_since=0",
        "?not_deleted=true",
        "?_sort=name",
        "?_sort=-code,name",
        "?_limit=1",
        "?_limit=1&_sort=name",
        "?_limit=1&_since=0&_sort=last_modified",
        f"?_limit=1&_token={token(last_modified=253402300799998, id=UNUSED)}",
        f"?_limit=9&_sort=last_modified&_token={token(last_modified=0, id='')}",
        f"?_limit=9&_sort=name&_token={token(name='', last_modified=0, id='')}",
        "?_limit=9&_token=e30%3D",
        "?_fields=name,code,last_modified",
        "?shared_ids=x&_shared_ids=x",
    ):
        yield step("GET", url + query)
        yield step("HEAD", url + query)
        if "_fields" not in query:
            yield step("DELETE", url + query)
    yield step("GET", url, If_None_Match='"1"')
    yield step("GET", url, If_Match='"1"')
    yield step("DELETE", url, If_Match='"253402300799999"')


def attempts_to_collide(url: Any) -> Iterator[Any]:
    """Return creations whose id or unique value is taken by a hidden record."""
    for record_id in (HIDDEN, HIDDEN_TOO, BURIED):
        yield step("POST", url, data(id=record_id))
        yield step("POST", url, data(id=record_id, last_modified=253402300799998))
        yield step("POST", url, {**data(id=record_id), "permissions": TAKEN_OVER})
        yield step("POST", url, data(id=record_id), If_Match='"1"')
        yield step("POST", url, data(id=record_id), If_Match='"253402300799999"')
        yield step("POST", url, data(id=record_id), If_Match="*")
        yield step("POST", url, data(id=record_id), If_None_Match="*")
    yield step("POST", url, data(code=GUESSED))
    yield step("POST", url, data(code=GUESSED), If_None_Match="*")
    yield step("POST", url, data(code=GUESSED, id=HIDDEN_TOO))
    yield step("PUT", f"{url}/{MINE}", data(code=GUESSED))


def attempts_of_several_steps(url: Any) -> Iterator[list[Any]]:
    """Return attempts that begin with a record of one's own, where that is allowed."""
    mine = f"{url}/{MINE}"
    create = step("PUT", mine, data())
    for last in (
        step("PUT", mine, data(code=GUESSED)),
        step("PATCH", mine, {"data": {"code": GUESSED}}),
        step("PATCH", mine, {"data": {"code": GUESSED}}, Response_Behavior="diff"),
        step("PATCH", mine, {"data": {"id": HIDDEN}}),
        step("PATCH", mine, {"permissions": TAKEN_OVER}),
        step("GET", url + "?_since=0"),
        step("GET", url + "?_limit=1"),
        step("GET", url + "?_limit=1&_sort=name"),
        step("DELETE", url),
        step("DELETE", url + "?_limit=1"),
        step("DELETE", url + f"?in_id={HIDDEN},{MINE}"),
        step("DELETE", url + "?_limit=9&_sort=last_modified"),
    ):
        yield [create, last]
    yield [step("POST", url, data(id=HIDDEN)), step("GET", f"{url}/{HIDDEN}")]
    yield [step("PUT", f"{url}/{HIDDEN}", data()), step("GET", f"{url}/{HIDDEN}")]


def attempts_at_odd_addresses() -> Iterator[Any]:
    """Return attempts through other spellings of URLs, and through what is no URL."""
    base = "/v0/toadstools"
    for path in (
        f"{base}/*",
        f"{base}/%2A",
        f"{base}/1*",
        f"{base}/{HIDDEN[:-1]}",
        f"{base}/{HIDDEN[:-1]}*",
        f"{base}/{HIDDEN[:-1]}_",
        f"{base}/{HIDDEN[:-1]}%25",
        f"{base}/{HIDDEN[:-1]}.",
        f"{base}/{HIDDEN}%00",
        f"{base}/{HIDDEN}%20",
        f"{base}/{HIDDEN}/",
        f"{base}/{HIDDEN}//",
        f"{base}/{HIDDEN}/..",
        f"{base}/./{HIDDEN}",
        f"{base}//{HIDDEN}",
        f"{base}/{SHARED}/../{HIDDEN}",
        f"{base}/{SHARED}%2F..%2F{HIDDEN}",
        f"/v0/%74oadstools/{HIDDEN}",
        f"/v0/toadstools/%31{HIDDEN[1:]}",
        f"{base}/:b",
        f"{base}/a'b",
        f"{base}/%27%20OR%20%271%27=%271",
        f"{base}/%ff",
        f"{base}/",
        f"{base}*",
        "/v0/*",
        "/v0/forests/*/caps",
        "/v0/forests/%2A/caps",
        "/v0/forests/o*/caps",
        "/v0/forests/oa_/caps",
        "/v0/forests/oa%25/caps",
        "/v0/forests//caps",
        f"/v0/forests/*/caps/{HIDDEN}",
        f"/v0/forests/*/caps/{BURIED}",
        f"/v0/forests/o*k/caps/{HIDDEN_TOO}",
        f"/v0/forests/elm/caps/{HIDDEN}",
    ):
        yield step("GET", path)
        yield step("PUT", path, data())
        yield step("PUT", path, data(), If_Match='"1"')
        yield step("PATCH", path, {"permissions": TAKEN_OVER})
        yield step("DELETE", path)
        yield [step("PUT", path, data()), step("GET", path), step("DELETE", path)]
        if path.endswith("caps"):
            # What one makes there opens a listing: of that, and of nothing else.
            create = step("PUT", f"{path}/{HIDDEN}", data())
            yield [create, step("GET", path), step("DELETE", path)]


def all_attempts() -> Iterator[Any]:
    for url in (*RESOURCES.values(), CAPS, TRUFFLES):
        for record_id in (HIDDEN, BURIED):
            yield from attempts_on_a_record(f"{url}/{record_id}")
        yield from attempts_on_a_collection(url)
        yield from attempts_to_collide(url)
        yield from attempts_of_several_steps(url)
    yield from attempts_at_odd_addresses()


ATTEMPTS = [attempt if isinstance(attempt, list) else [attempt] for attempt in all_attempts()]


def group_of(attempt: Any) -> str:
    """Attempts are run in groups: a thousand test cases would cost more than what they do."""
    method, path, _, _ = attempt[-1]
    resource = re.split(r"[/?]", path.removeprefix("/v0/"))[0]
    return f"{resource[:10]}-{method}"


GROUPS = {
    name: list(group)
    for name, group in itertools.groupby(sorted(ATTEMPTS, key=group_of), key=group_of)
}


def make_directly(app: TestApp, attempt: Any, user: Any) -> Any:
    """Make the requests of an attempt; return their statuses, headers and texts."""
    answers = []
    for method, path, body, headers in attempt:
        headers = {**user, **headers}
        if method in ("POST", "PUT", "PATCH"):
            send = getattr(app, f"{method.lower()}_json")
            response = send(path, body, headers=headers, status="*")
        else:
            response = getattr(app, method.lower())(path, headers=headers, status="*")
        response.headers.pop("X-Request-Id", None)
        answers.append((response.status_code, dict(response.headers), response.text))
    return answers


def make_in_a_batch(app: TestApp, attempt: Any, user: Any) -> Any:
    requests = []
    for method, path, body, headers in attempt:
        request = {"method": method, "path": path, "headers": headers}
        requests.append(request if body is None else {**request, "body": body})
    response = app.post_json("/v0/batch", {"requests": requests}, headers=user, status=200)
    answers = [(response.status_code, dict(response.headers), response.text)]
    answers.extend(
        (item["status"], item["headers"], json.dumps(item["body"]))
        for item in response.json["responses"]
    )
    return answers


def decoded_token(headers: Any) -> Any:
    """Return what a client reads in the token of the next page."""
    query = parse_qs(urlsplit(headers.get("Next-Page", "")).query)
    return "".join(base64.b64decode(value).decode() for value in query.get("_token", []))


def assert_reveals_nothing(attempt: Any, answer: Any) -> None:
    status, headers, text = answer
    shown = f"{headers} {text} {decoded_token(headers)}"
    assert status < 500, (attempt, answer)
    for secret in (SECRET, *TIMES, *DATES):
        assert secret not in shown, (attempt, secret, answer)


WAYS = {"direct": make_directly, "batch": make_in_a_batch}


@pytest.mark.slow
@pytest.mark.clause(
    "H-5.2", "H-5.4", "H-5.12", "H-5.16", "D-48", "D-49", "D-51", "X-11", "B-22.37", "B-22.43"
)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("group", GROUPS)
def test_an_attempt_reveals_and_changes_nothing(
    worlds: dict[Any, Any], group: str, world: str, user: str, way: str
) -> None:
    for attempt in GROUPS[group]:
        world_ = worlds[world].reset()
        before = world_.kept()

        answers = WAYS[way](world_.app, attempt, USERS[user])

        assert world_.kept() == before, attempt
        for answer in answers:
            assert_reveals_nothing(attempt, answer)


@pytest.mark.clause("H-5.13", "H-11.3")
@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("name", [*RESOURCES, "cap"])
def test_totals_and_pages_count_visible_records_only(
    worlds: dict[Any, Any], name: str, user: str
) -> None:
    url = {**RESOURCES, "cap": CAPS}[name]
    listings = [attempt[0] for attempt in ATTEMPTS if len(attempt) == 1]
    listings = [
        (method, path)
        for method, path, _, headers in listings
        if method in ("GET", "HEAD") and path.partition("?")[0] == url and not headers
    ]
    world = worlds["open"].reset()
    assert world.number_of_others(name) == 1

    for method, path in listings:
        response = getattr(world.app, method.lower())(path, headers=USERS[user], status="*")
        if response.status_code == 200:
            assert int(response.headers["Total-Records"]) <= 1, path
            assert "Next-Page" not in response.headers
            if method == "GET":
                assert {record["id"] for record in response.json["data"]} <= {SHARED}, path


@pytest.mark.clause("H-5.17", "H-18.3")
@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("url", [*RESOURCES.values(), CAPS])
def test_a_hidden_record_looks_like_one_that_never_was(
    worlds: dict[Any, Any], url: str, user: str
) -> None:
    world = worlds["closed"].reset()

    for hidden, unused in zip(
        attempts_on_a_record(f"{url}/{HIDDEN}"),
        attempts_on_a_record(f"{url}/{UNUSED}"),
        strict=True,
    ):
        (answer,) = make_directly(world.app, [hidden], USERS[user])
        (expected,) = make_directly(world.app, [unused], USERS[user])
        assert answer == expected, hidden


@pytest.mark.clause("D-49", "X-11")
@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("url", [*RESOURCES.values(), CAPS])
@pytest.mark.parametrize("name", ["If-Match", "If-None-Match"])
def test_conditions_do_not_tell_the_timestamp_of_a_hidden_record(
    worlds: dict[Any, Any], url: str, user: str, name: str
) -> None:
    world = worlds["open"].reset()
    time = HIDDEN_TIMES[HIDDEN]
    attempts = {
        "GET": ("GET", f"{url}/{HIDDEN}", None),
        "PUT": ("PUT", f"{url}/{HIDDEN}", data()),
        "POST": ("POST", url, data(id=HIDDEN)),
        "DELETE": ("DELETE", f"{url}/{HIDDEN}", None),
    }

    for method, path, body in attempts.values():
        answers = [
            make_directly(world.app, [(method, path, body, {name: f'"{value}"'})], USERS[user])
            for value in (time - 1, time, time + 1)
        ]
        assert answers[0] == answers[1] == answers[2]


PATCHES = {
    "application/merge-patch+json": [
        {"data": {"name": None}},
        {"permissions": TAKEN_OVER},
    ],
    "application/json-patch+json": [
        [{"op": "test", "path": "/data/code", "value": GUESSED}],
        [{"op": "copy", "from": "/data/name", "path": "/data/code"}],
        [{"op": "add", "path": "/permissions/read/-", "value": "system.Everyone"}],
        [{"op": "remove", "path": "/permissions/write"}],
    ],
}


@pytest.mark.clause("H-5.4", "H-24.8", "D-49")
@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("world_name", WORLDS)
@pytest.mark.parametrize("url", [*RESOURCES.values(), CAPS])
@pytest.mark.parametrize("content_type", PATCHES)
def test_no_format_of_patch_gets_around_permissions(
    worlds: dict[Any, Any], content_type: str, url: str, world_name: str, user: str
) -> None:
    world = worlds[world_name].reset()
    before = world.kept()

    for patch in PATCHES[content_type]:  # type: ignore[attr-defined]
        headers = {**USERS[user], "Content-Type": content_type}
        body = json.dumps(patch)
        response = world.app.patch(f"{url}/{HIDDEN}", body, headers=headers, status="*")
        assert response.status_code == (403 if USERS[user] else 401)
        assert_reveals_nothing(patch, (response.status_code, dict(response.headers), response.text))

    assert world.kept() == before


@pytest.mark.clause("H-5.2", "H-23.1")
def test_the_records_of_another_user_take_no_id_and_no_unique_value(worlds: dict[Any, Any]) -> None:
    world = worlds["open"].reset()
    user = USERS["second-user"]
    body = {"data": {"id": HIDDEN, "name": "mine", "code": 7, "email": GUESSED}}

    created = world.app.post_json(TRUFFLES, body, headers=user, status=201)

    assert created.json["data"]["name"] == "mine"
    assert world.app.get(TRUFFLES, headers=user).headers["Total-Records"] == "1"


def test_there_are_enough_attempts() -> None:
    assert len(ATTEMPTS) >= 200
    methods = {method for attempt in ATTEMPTS for method, *_ in attempt}
    assert methods == {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}


@pytest.mark.clause("H-5.4")
def test_the_owner_sees_what_the_attempts_look_for(worlds: dict[Any, Any]) -> None:
    """Otherwise every attempt would succeed in revealing nothing."""
    world = worlds["closed"].reset()
    for url in (*RESOURCES.values(), CAPS, TRUFFLES):
        response = world.app.get(f"{url}/{HIDDEN}", headers=OWNER, status=200)
        assert SECRET in response.text
        assert TIMES[0] in response.headers["ETag"]
        assert response.headers["Last-Modified"] == DATES[0]
        assert response.json["data"].get("name") == f"{SECRET} name"
        assert world.app.get(url, headers=OWNER).headers["Total-Records"] == "2"
