"""The load test: its operations against the example service, its report, its command.

The tests do without locust and matplotlib: ``.ci/run`` runs what needs them, ``make bench``.
"""

from __future__ import annotations

import json
import os
import random
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from pyramid.paster import get_app
from pyramid.request import Request
from pyramid.router import Router
from servers.starting import run_program

from cliquet.testing.bounded import Thread

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
try:
    from loadtests import report
    from loadtests.clients import CREATION, OPERATIONS, Client
    from loadtests.exchange import Account, Answer, Exchange, Send, make_accounts
    from loadtests.figures import Figures, percentiles
    from loadtests.options import DEFAULT_RECORD, RecordTemplate, parse
    from loadtests.service import Service, UnusableServiceError, check_usable, discover
finally:
    sys.path.remove(str(ROOT))

TEMPLATE = RecordTemplate(json.loads(DEFAULT_RECORD))
URL = "http://localhost/v1"
SERVICE = Service(URL, "/mushrooms", batch_size=10)


@pytest.fixture(scope="module")
def example() -> Any:
    """The WSGI application of the example service, on memory backends; each test has a user."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "docs" / "example"))
        return get_app(str(ROOT / "config" / "testing.ini"))


def send_to(application: Any) -> Send:
    """Return what sends requests to a WSGI application."""

    def send(method: str, url: str, headers: dict[str, str], content: bytes | None) -> Answer:
        request = Request.blank(url, method=method, headers=headers, body=content or b"")
        response = request.get_response(application)
        return Answer(response.status_code, response.headers, response.body)

    return send


def make_client(account: Account, send: Send, figures: Figures) -> Client:
    return Client(
        account,
        Exchange(account, send, figures),
        service=SERVICE,
        template=TEMPLATE,
        generator=random.Random(1),
    )


def test_every_operation_gets_the_answer_that_it_expects(example: Router) -> None:
    figures = Figures()
    client = make_client(Account("every"), send_to(example), figures)
    client.start()

    for operation in OPERATIONS * 2:
        operation.run(client)

    assert figures.failures == Counter()
    counts = {row.operation: row.count for row in figures.rows([o.name for o in OPERATIONS], 1)}
    assert all(counts[operation.name] >= 2 for operation in OPERATIONS)
    # The example shows two records on a page: there are some to walk.
    assert counts["GET page by page"] > 10


def test_client_without_records_creates_one_first(example: Router) -> None:
    figures = Figures()
    account = Account("first")
    client = make_client(account, send_to(example), figures)

    while not account.etags:
        client.run_one()

    assert figures.failures == Counter()


def test_client_keeps_track_of_what_the_service_has(example: Router) -> None:
    account, send = Account("track"), send_to(example)
    client = make_client(account, send, Figures())
    client.start()
    for _ in range(60):
        client.run_one()

    found: dict[str, str] = {}
    url = f"{URL}/mushrooms"
    while url:
        answer = send("GET", url, {"Authorization": account.authorization}, None)
        found |= {one["id"]: f'"{one["last_modified"]}"' for one in answer.json()["data"]}
        url = answer.headers.get("Next-Page", "")

    assert account.etags == found


def test_weights_are_percentages_and_keep_the_size_of_collections() -> None:
    weights = {operation.name: operation.weight for operation in OPERATIONS}
    requests: list[dict[str, Any]] = []

    def send(method: str, url: str, headers: dict[str, str], content: bytes | None) -> Answer:
        requests.extend(json.loads(content or b"")["requests"])
        return Answer(503, {}, b"")

    account = Account("mat")
    account.etags = {f"id-{n}": '"1"' for n in range(50)}
    make_client(account, send, Figures()).upload()
    deleted = sum(request["method"] == "DELETE" for request in requests)
    replaced = sum(request["path"].startswith("/mushrooms/id-") for request in requests) - deleted
    created = len(requests) - deleted - replaced

    assert sum(weights.values()) == 100
    assert (created, replaced, deleted) == (3, 2, 5)
    assert weights["POST"] + weights["PUT, new"] + created * weights["batch"] == (
        weights["DELETE"] + deleted * weights["batch"]
    )


def test_documentation_has_the_operations_and_their_weights() -> None:
    source = (ROOT / "docs" / "deploy" / "loadtest.rst").read_text()
    _, source = source.split("\nWhat the clients do\n")
    documented = re.findall(r"^   \* - ``([^`]+)``\n     - (\d+)$", source, re.MULTILINE)

    assert documented == [(operation.name, str(operation.weight)) for operation in OPERATIONS]


def test_some_clients_share_an_account_and_the_others_have_their_own() -> None:
    made = make_accounts(10, "run")

    assert [account.shared for account in made] == [False, False, False, True, True] * 2
    assert len({account.authorization for account in made}) == 7
    assert made[3] is made[9]


LOST_RACES = [
    (Client.read, 404),
    (Client.read_unchanged, 200),
    (Client.read_unchanged, 404),
    (Client.modify, 404),
    (Client.modify, 412),
    (Client.delete, 404),
]


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize(("operation", "status"), LOST_RACES)
def test_lost_race_is_a_failure_only_where_nobody_else_uses_the_account(
    operation: Callable[[Client], None], status: int, shared: bool
) -> None:
    account = Account("mat", shared=shared)
    account.etags = {"a": '"1"'}
    body = json.dumps({"data": {"id": "a", "last_modified": 2}}).encode()
    figures = Figures()

    operation(make_client(account, lambda *_: Answer(status, {"ETag": '"2"'}, body), figures))

    assert figures.failure_count == (0 if shared else 1)
    if shared:
        assert account.etags == ({} if status == 404 else {"a": '"2"'})


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(503, {}, b'{"message": "Try later"}'), "status 503 instead of 201, Try later"),
        (Answer(200, {}, b"<html>"), "status 200 instead of 201"),
        (Answer(201, {}, b"<html>"), "status 201, with an unexpected body: b'<html>'"),
        (Answer(201, {}, b"[]"), "status 201, with an unexpected body: b'[]'"),
        (Answer(0, {}, b"", "timed out"), "no answer: timed out"),
    ],
)
def test_unexpected_answer_is_a_failure_with_its_reason(answer: Answer, reason: str) -> None:
    figures = Figures()

    CREATION.run(make_client(Account("mat"), lambda *_: answer, figures))

    assert figures.failures == {("POST", reason): 1}


def test_failure_of_one_request_of_a_batch_is_a_failure() -> None:
    def send(method: str, url: str, headers: dict[str, str], content: bytes | None) -> Answer:
        refused = {"status": 400, "body": {"message": "name is missing"}}
        count = len(json.loads(content or b"")["requests"])
        return Answer(200, {}, json.dumps({"responses": [refused] * count}).encode())

    figures = Figures()

    make_client(Account("mat"), send, figures).upload()

    assert figures.failures == {("batch", "creation in it: status 400, name is missing"): 1}


def test_pages_are_asked_of_the_same_host_whatever_next_page_says() -> None:
    urls: list[str] = []

    def send(method: str, url: str, headers: dict[str, str], content: bytes | None) -> Answer:
        urls.append(url)
        more = {"Next-Page": "http://internal/v1/mushrooms?_token=abc"} if len(urls) == 1 else {}
        return Answer(200, more, b'{"data": []}')

    make_client(Account("mat"), send, Figures()).walk()

    assert urls == [f"{URL}/mushrooms?_limit=20", f"{URL}/mushrooms?_token=abc"]


def test_percentiles_are_values_that_occurred() -> None:
    assert percentiles([]) == {}
    assert percentiles([7.0]) == dict.fromkeys((50, 75, 90, 95, 99, 100), 7.0)
    hundred = [float(n) for n in range(100, 0, -1)]
    assert percentiles(hundred) == {50: 50, 75: 75, 90: 90, 95: 95, 99: 99, 100: 100}


def some_figures() -> Figures:
    figures = Figures()
    for latency_ms in (1, 2, 3, 4):
        figures.add("GET record", latency_ms)
    figures.add("POST", 0.5, "status 503 instead of 201")
    return figures


def test_table_has_a_line_per_operation_that_was_used_and_a_sum() -> None:
    rows = some_figures().rows(["POST", "GET record", "DELETE"], elapsed_seconds=2)

    heading, _, *lines = report.table(rows).splitlines()

    assert [" ".join(line.split()) for line in (heading, *lines) if not line.startswith("-")] == [
        "operation count failures req/s p50 ms p75 ms p90 ms p95 ms p99 ms max ms",
        "POST 1 1 0.5 - - - - - -",
        "GET record 4 0 2.0 2.0 3.0 4.0 4.0 4.0 4.0",
        "all 5 1 2.5 2.0 3.0 4.0 4.0 4.0 4.0",
    ]


def test_table_of_a_run_without_requests_is_empty() -> None:
    assert report.table(Figures().rows(["POST"], 1)).splitlines()[-1].split()[:3] == [
        "all",
        "0",
        "0",
    ]


def test_most_frequent_failures_come_first_and_the_list_has_an_end() -> None:
    counted = Counter({("POST", f"reason {n}"): n for n in range(1, 31)})

    lines = report.failures(counted).splitlines()

    assert lines[0].strip() == "30 x POST: reason 30"
    assert lines[-1].strip() == "and more, of 30 kinds in all"
    assert len(lines) == 21


def test_reasons_that_never_repeat_do_not_fill_the_memory() -> None:
    figures = Figures()

    for n in range(3000):
        figures.add("POST", 1, f"record {n} is refused")

    assert figures.failure_count == 3000
    assert len(figures.failures) <= 1001
    assert figures.failures["POST", "other reasons"] == 2000


def test_progress_shows_what_happened_since_the_last_line() -> None:
    figures = some_figures()

    lines = [
        report.progress(
            elapsed_seconds=elapsed,
            duration_seconds=30,
            users=10,
            recent=figures.take_recent(),
            interval_seconds=2,
            failure_count=figures.failure_count,
        )
        for elapsed in (2, 4)
    ]

    assert lines == [
        "2 s of 30  10 users  2 requests/s  p50 2 ms  p95 4 ms  1 failure",
        "4 s of 30  10 users  0 requests/s  p50 -  p95 -  1 failure",
    ]


def test_figures_are_written_for_programs() -> None:
    figures = some_figures()

    content = report.as_json(
        figures.rows(["POST", "GET record"], 2), figures.failures, {"users": 1}
    )

    assert json.loads(json.dumps(content))["operations"][1] == {
        "operation": "GET record",
        "count": 4,
        "failures": 0,
        "requests_per_second": 2,
        "latencies_ms": {"p50": 2, "p75": 3, "p90": 4, "p95": 4, "p99": 4, "max": 4},
    }
    assert content["run"] == {"users": 1}
    assert content["failures"] == [
        {"operation": "POST", "reason": "status 503 instead of 201", "count": 1}
    ]


def test_records_differ_where_the_template_says() -> None:
    template = RecordTemplate(
        {"tags": ["{unique}"], "name": "{braces} {number}", "size": {"mm": "{number}"}, "old": None}
    )
    generator = random.Random(1)

    records = [template.render(generator) for _ in range(200)]

    assert {record["size"]["mm"] for record in records} == set(range(1, 21))
    assert all(record["name"] == f"{{braces}} {record['size']['mm']}" for record in records)
    assert len({record["tags"][0] for record in records}) == 200
    assert template.filter_field == "name"
    assert RecordTemplate({"tags": []}).filter_field is None


def test_record_may_be_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "record.json").write_text('{"title": "Dune"}')

    options = parse(["--server-url", URL, "--record", str(tmp_path / "record.json")])

    assert options.record.template == {"title": "Dune"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--server-url", "localhost:8888"], "'localhost:8888' does not begin with http://"),
        (["--users", "0"], "'0' is not an integer greater than 0"),
        (["--users", "many"], "'many' is not an integer greater than 0"),
        (["--duration", "inf"], "'inf' is not a number greater than 0"),
        (["--record", "nowhere.json"], "neither a JSON object nor a readable file"),
        (["--record", '{"name": '], "invalid JSON in"),
    ],
)
def test_wrong_option_is_refused_with_its_value(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        parse(["--server-url", URL, *arguments])

    assert message in capsys.readouterr().err


class QuietHandler(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Print nothing."""


@pytest.fixture(scope="module")
def server_url(example: Any) -> Iterator[str]:
    """The address of the example service, without the version prefix."""
    with make_server("127.0.0.1", 0, example, handler_class=QuietHandler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/"])
def test_service_is_found_with_and_without_its_version_prefix(server_url: str, suffix: str) -> None:
    service = discover(server_url + suffix, "/mushrooms")

    assert service == Service(f"{server_url}/v1", "/mushrooms", batch_size=10)
    check_usable(service, TEMPLATE, "mat")


@pytest.mark.parametrize(
    ("suffix", "resource", "record", "message"),
    [
        ("/v2", "/mushrooms", "{}", "/v2/ is not the root of a cliquet service: it answers 404"),
        ("", "/trees", "{}", "/v1/trees answers 404 .*RESOURCE"),
        ("", "/mushrooms", "{}", "/v1/mushrooms answers 400 .*name.*RECORD"),
    ],
)
def test_service_that_cannot_be_used_is_refused_with_the_reason(
    server_url: str, suffix: str, resource: str, record: str, message: str
) -> None:
    with pytest.raises(UnusableServiceError, match=message):
        check_usable(
            discover(server_url + suffix, resource), RecordTemplate(json.loads(record)), "mat"
        )


def test_server_that_does_not_answer_is_refused_with_the_reason() -> None:
    with pytest.raises(
        UnusableServiceError,
        match=r"^http://127\.0\.0\.1:1/ cannot be reached: Connection refused$",
    ):
        discover("http://127.0.0.1:1", "/mushrooms")


def recipe(*arguments: str, **variables: str) -> str:
    """Return what make would run."""
    environment = {name: value for name, value in os.environ.items() if name != "MAKEFLAGS"}
    return run_program(
        ["make", "--dry-run", *arguments],
        cwd=ROOT,
        env={**environment, **variables},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.mark.clause("S-21.3")
@pytest.mark.usefixtures("processes")
def test_published_command_puts_load_on_a_service() -> None:
    output = recipe("bench", "-e", SERVER_URL="http://localhost:8000")

    assert "-m loadtests --server-url 'http://localhost:8000'" in output


@pytest.mark.usefixtures("processes")
def test_load_test_takes_its_options_from_the_command_line_of_make() -> None:
    output = recipe("bench", "SERVER_URL=http://localhost:8888", "USERS=3", "DURATION=5")

    words = output.split()
    assert words[words.index("--users") + 1] == "'3'"
    assert words[words.index("--duration") + 1] == "'5'"
    assert "benchmarks/" not in output


@pytest.mark.usefixtures("processes")
def test_environment_alone_puts_no_load_on_a_service() -> None:
    output = recipe("bench", SERVER_URL="http://localhost:8000")

    assert "loadtests" not in output
    assert "benchmarks/" in output
