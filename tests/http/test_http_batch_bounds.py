"""What a batch may cost: it is counted before it is done (X-34)."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from pyramid.config import Configurator
from pyramid.request import Request
from support.batches import creation, names, send, statuses
from support.shared_apps import make_app
from testapp import Lichen, Mushroom, Spore
from webtest import TestApp

from cliquet import Service
from cliquet.testing.web import basic_auth
from cliquet.views import batch_bounds

AUTH = basic_auth()


def make(configure: Any = None, **settings: Any) -> TestApp:
    return make_app([Mushroom, Spore, Lichen], settings=settings, configure=configure)


def post(app: TestApp, body: Any, status: int | str = 200) -> Any:
    return app.post_json("/v0/batch", body, headers=AUTH, status=status).json


def refused_in_place(answer: Any, setting: Any) -> bool:
    assert (answer["status"], answer["body"]["code"]) == (503, 503)
    assert answer["body"]["errno"] == 201
    assert setting in answer["body"]["message"]
    assert answer["headers"]["Retry-After"] == "30"
    return True


# Defaults


@pytest.mark.clause("X-34", "H-25.9")
def test_requests_are_counted_before_anything_is_done_for_each() -> None:
    # Each of them would be a fault of its own.
    body = {"defaults": {"body": 3}, "requests": [{"path": 0}] * 26}

    error = post(make(), body, status=400)

    assert error["message"] == "Number of requests is limited to 25"
    assert len(error["details"]) == 1


@pytest.mark.clause("X-34")
@pytest.mark.parametrize(
    ("filler", "status"),
    [
        ("a" * 400_000, 200),
        ("a" * 420_000, 413),
        # Prose has commas, and no more values for that.
        (",[{" * 130_000, 200),
        ([1] * 2_500, 200),
        ([1] * 2_700, 413),
    ],
    ids=["bytes", "too many bytes", "prose", "values", "too many values"],
)
def test_what_defaults_come_to_is_bounded(filler: list[Any] | str, status: int) -> None:
    body = {
        "defaults": {"method": "PUT", "path": "/v0/", "body": {"data": filler}},
        "requests": [{}] * 25,
    }

    answer = post(make(), body, status=status)

    if status == 413:
        assert answer["errno"] == 113
        assert answer["message"] == (
            "The defaults, repeated in each request, are larger than 10485760 bytes "
            "(setting max_body_bytes)"
        )


@pytest.mark.clause("X-34")
def test_defaults_are_not_bounded_where_bodies_are_not() -> None:
    app = make(max_body_bytes="")
    body = {"defaults": {"path": "/v0/", "body": {"a": "a" * 420_000}}, "requests": [{}] * 25}

    assert set(statuses(post(app, body)["responses"])) == {200}


@pytest.mark.clause("X-34", "H-25.7")
def test_what_one_request_makes_of_shared_defaults_does_not_reach_the_next() -> None:
    app = make()
    defaults = {"method": "POST", "path": "/spores", "body": {"data": {"a": {"b": [1]}}}}
    requests = [{"body": {"data": {"a": {"c": 2}}}}, {}, {"body": {"data": {"a": {"b": 3}}}}]

    answers = send(app, requests, defaults=defaults)

    stored = [answer["body"]["data"]["a"] for answer in answers]
    assert stored == [{"b": [1], "c": 2}, {"b": [1]}, {"b": 3}]


# URLs and headers


@pytest.mark.clause("X-34")
@pytest.mark.setting("max_url_bytes")
@pytest.mark.parametrize(
    ("path", "limit", "status"),
    [
        ("/mushrooms?_sort=" + "a" * 83, "100", 400),
        ("/mushrooms?_sort=" + "a" * 84, "100", 414),
        ("/mushrooms?_sort=" + "é" * 42, "100", 414),
        ("/mushrooms?_sort=" + "a" * 8173, None, 400),
        ("/mushrooms?_sort=" + "a" * 8174, None, 414),
        ("/mushrooms?_sort=" + "a" * 10_000, "0", 400),
        ("/" + "é" * 1_000_000, None, 414),
    ],
)
def test_the_url_of_a_request_is_bounded(path: str, limit: str | None, status: int) -> None:
    app = make() if limit is None else make(max_url_bytes=limit)

    answer, other = send(app, [{"path": path}, {"path": "/mushrooms"}])

    assert (answer["status"], other["status"]) == (status, 200)
    assert len(answer["path"]) <= 1004
    if status == 414:
        assert answer["body"]["code"] == 414
        assert answer["body"]["errno"] == 107
        assert "(setting max_url_bytes)" in answer["body"]["message"]
        assert "X-Request-Id" not in answer["headers"]


@pytest.mark.clause("X-34")
def test_a_long_url_that_begins_as_the_batch_is_no_recursion() -> None:
    answers = send(make(), [{"path": "/batch?" + "a" * 9_000}])

    assert statuses(answers) == [414]


@pytest.mark.clause("X-34")
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"User-Agent": "a" * 8_000}, 200),
        ({"User-Agent": "a" * 8_190}, 431),
        ({"a" * 8_190: ""}, 200),
        ({"a" * 8_191: ""}, 431),
        ({f"X-{n}": "" for n in range(100)}, 200),
        ({f"X-{n}": "" for n in range(101)}, 431),
    ],
)
@pytest.mark.parametrize("is_default", [False, True])
def test_the_headers_of_a_request_are_bounded(
    headers: dict[str, Any], status: int, is_default: bool
) -> None:
    item = {"path": "/mushrooms"}
    defaults = {"headers": headers} if is_default else None

    (answer,) = send(
        make(), [item if is_default else {**item, "headers": headers}], defaults=defaults
    )

    assert answer["status"] == status
    if status == 431:
        assert answer["body"]["errno"] == 107
        assert (
            "headers" in answer["body"]["message"] or "max_url_bytes" in answer["body"]["message"]
        )


# Answers


@pytest.mark.clause("X-34", "H-20.9")
@pytest.mark.setting("max_response_bytes")
def test_no_request_begins_once_the_records_that_are_replaced_are_large_enough() -> None:
    app = make(max_response_bytes="1200")
    body = {"data": {"a": "a" * 500}}
    url = app.post_json("/v0/spores", body, headers=AUTH).json["data"]["id"]
    change = {
        "method": "PATCH",
        "path": f"/spores/{url}",
        "headers": {"Response-Behavior": "light"},
    }

    answers = send(app, [{**change, "body": {"data": {"b": n}}} for n in range(5)])

    # What is left of the answers is a hundred bytes each.
    assert statuses(answers) == [200, 200, 503, 503, 503]
    assert all(refused_in_place(answer, "max_response_bytes") for answer in answers[2:])


@pytest.mark.clause("X-34")
@pytest.mark.setting("max_response_bytes")
def test_no_request_begins_once_the_answer_is_large_enough() -> None:
    app = make(max_response_bytes="600")
    app.post_json("/v0/spores", {"data": {"a": "a" * 500}}, headers=AUTH)
    listing = {"path": "/spores"}

    answers = send(app, [listing, listing, creation(name="late"), listing, {"path": "/nowhere"}])

    assert statuses(answers) == [200, 200, 503, 503, 503]
    assert all(refused_in_place(answer, "max_response_bytes") for answer in answers[2:])
    assert [answer["path"] for answer in answers[2:]] == [
        "/v0/mushrooms",
        "/v0/spores",
        "/v0/nowhere",
    ]
    # What was done before stays; what was not begun has changed nothing.
    assert names(app) == []


@pytest.mark.clause("X-34")
@pytest.mark.setting("max_response_bytes")
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "POST"])
def test_numbers_count_whatever_the_texts_beside_them(method: str) -> None:
    """One wide character made all that is no text free."""
    app = make(max_response_bytes="4000")
    data = {"texts": "😀", "numbers": [0.125] * 200}
    record = app.post_json("/v0/spores", {"data": data}, headers=AUTH).json["data"]
    body = {} if method == "GET" else {"body": {"data": data}}
    path = "/spores" if method == "POST" else f"/spores/{record['id']}"

    answers = send(app, [{"method": method, "path": path, **body}] * 25)

    done = [answer for answer in answers if answer["status"] < 300]
    assert 1 <= len(done) <= 4
    assert all(refused_in_place(answer, "max_response_bytes") for answer in answers[len(done) :])


@pytest.mark.clause("X-34")
def test_what_was_written_before_the_answer_was_large_enough_stays() -> None:
    app = make(max_response_bytes="1")

    answers = send(app, [creation(name="first"), creation(name="second")])

    assert statuses(answers) == [201, 503]
    assert names(app) == ["first"]


@pytest.mark.clause("X-34")
@pytest.mark.parametrize("value", ["", "0"])
def test_answers_are_not_bounded_without_the_setting(value: str) -> None:
    app = make(max_response_bytes=value)

    assert set(statuses(send(app, [creation(name="a" * 1000)] * 3))) == {201}


# Time


@pytest.mark.clause("X-34")
@pytest.mark.setting("batch_timeout_seconds")
@pytest.mark.parametrize(("seconds", "late"), [("0.05", 503), ("30", 201), ("", 201), ("0", 201)])
def test_no_request_begins_after_the_time_of_the_batch(
    seconds: str, late: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0

    def wait(request: Request) -> dict[str, object]:
        nonlocal now
        now += 0.06
        return {}

    def with_slow_service(config: Configurator) -> None:
        service = Service(name="slow", path="/slow")
        service.add_view("GET", wait)
        config.add_cornice_service(service)

    monkeypatch.setattr(batch_bounds, "time", SimpleNamespace(monotonic=lambda: now))
    app = make(with_slow_service, batch_timeout_seconds=seconds)

    answers = send(app, [creation(name="first"), {"path": "/slow"}, creation(name="late")])

    # What has begun is finished, however late.
    assert statuses(answers) == [201, 200, late]
    assert names(app) == ["first"] + ["late"] * (late == 201)
    if late == 503:
        assert refused_in_place(answers[2], "batch_timeout_seconds")


@pytest.mark.clause("X-34", "S-23.23")
def test_a_refusal_leaves_nothing_in_the_log_of_the_batch(caplog: pytest.LogCaptureFixture) -> None:
    app = make(logging_renderer="cliquet.logs.MozillaHekaRenderer", max_response_bytes="1")
    with caplog.at_level("INFO", logger="cliquet"):
        send(app, [{"path": "/mushrooms"}, {"path": "/mushrooms"}, {"path": "/" + "a" * 9_000}])

    lines = [json.loads(record.message) for record in caplog.records]
    told = {
        (line["Type"], line["Fields"]["code"], line["Fields"]["errno"])
        for line in lines
        if line["Type"].endswith(".summary")
    }
    assert told == {
        ("subrequest.summary", 200, None),
        ("subrequest.summary", 503, 201),
        ("request.summary", 200, None),
    }
