"""Crashes that are told to Sentry, by its SDK or by raven (E-6.1, S-19)."""

import sys
from collections.abc import Callable
from typing import Any

import pytest
from pyramid.exceptions import ConfigurationError
from support import collector, monitored
from support.collector import Collector
from support.shared_apps import make_app

from cliquet.testing.web import basic_auth

CREDENTIALS = basic_auth()["Authorization"].split()[1]
SERVICE_INI = """
[app:main]
use = call:monitored:main
cliquet.project_name = kiosk
cliquet.project_version = 0.3.1
cliquet.userid_hmac_secret = s3cr3t-of-the-users
"""
SENTRY_INI = """
cliquet.sentry_dsn = http://public@127.0.0.1:{port}/7
cliquet.sentry_env = stage
"""
# As the page on logging shows it, with a transport that does not outlive the request.
RAVEN_INI = """
[loggers]
keys = root, cliquet

[handlers]
keys = console, sentry

[formatters]
keys = plain

[logger_root]
level = INFO
handlers = console, sentry

[logger_cliquet]
level = INFO
handlers = console, sentry
qualname = cliquet
propagate = 0

[handler_console]
class = StreamHandler
args = (sys.stderr,)
level = NOTSET
formatter = plain

[handler_sentry]
class = raven.handlers.logging.SentryHandler
args = ('sync+http://public:secret@127.0.0.1:{port}/7',)
level = INFO
formatter = plain

[formatter_plain]
format = %(message)s
"""


@pytest.fixture(scope="module")
def run(processes: None, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Run the service that fails in every way; give what a collector received of it."""

    def run(settings: Any, *, check: bool = True) -> Any:
        with collector.running_collector() as received:
            ini = tmp_path_factory.mktemp("service") / "service.ini"
            ini.write_text(SERVICE_INI + settings.format(port=received.port))
            monitored.run_service(ini, check=check)
            return received

    return run


@pytest.fixture(scope="module")
def sentry(run: Any) -> Any:
    return run(SENTRY_INI)


@pytest.fixture(scope="module")
def raven(own_settings: None, run: Any) -> Any:
    return run(RAVEN_INI)


def exceptions(event: Any) -> list[Any]:
    return [(one["type"], one["value"]) for one in event.get("exception", {}).get("values", [])]


# The setting sentry_dsn


@pytest.mark.clause("E-6.1", "S-19.1")
@pytest.mark.setting("sentry_dsn")
def test_sentry_is_told_of_the_start(sentry: Collector) -> None:
    first = sentry.events[0]
    assert (first["level"], first["message"]) == ("info", "kiosk 0.3.1 starting.")


@pytest.mark.clause("E-6.1", "S-19.1")
@pytest.mark.setting("sentry_dsn")
def test_sentry_is_told_once_of_each_crash_and_of_nothing_else(sentry: Collector) -> None:
    # Of all outcomes, refusals of requests included; the last one is a crash in a batch.
    assert [(event["level"], exceptions(event)) for event in sentry.events[1:]] == [
        ("error", [("RuntimeError", "a secret")]),
        ("fatal", [("BackendError", "RuntimeError: a secret")]),
        ("error", [("RuntimeError", "a secret")]),
    ]


@pytest.mark.clause("E-6.1", "S-19.1")
def test_sentry_is_told_where_the_crash_was(sentry: Collector) -> None:
    for event in sentry.events[1:]:
        (exception,) = event["exception"]["values"]
        frame = exception["stacktrace"]["frames"][-1]
        assert (frame["filename"], frame["function"]) == ("support/outcomes.py", "_raise")
        assert event["transaction"] == "raises"
    crash, failure, in_batch = sentry.events[1:]
    assert crash["request"]["url"] == "http://localhost/v0/raises/crash"
    assert failure["request"]["url"] == "http://localhost/v0/raises/backend"
    assert in_batch["request"]["url"] == "http://localhost/v0/batch"


@pytest.mark.clause("E-6.1")
@pytest.mark.setting("sentry_env", "project_version")
def test_sentry_files_crashes_under_the_release_and_the_environment(sentry: Collector) -> None:
    for event in sentry.events:
        assert (event["release"], event["environment"]) == ("kiosk@0.3.1", "stage")


@pytest.mark.clause("E-6.1")
def test_messages_in_sentry_have_no_colours_nor_fields(sentry: Collector) -> None:
    crash, failure, _ = sentry.events[1:]
    assert crash["logentry"]["message"] == failure["logentry"]["message"] == "a secret"


@pytest.mark.clause("E-6.1")
def test_sentry_is_told_no_secrets(sentry: Collector) -> None:
    received = "".join(sentry.bodies)
    assert "kiosk" in received
    for secret in (CREDENTIALS, "s3cr3t-of-the-users", '"vars"'):
        assert secret not in received
    for event in sentry.events[1:]:
        assert event["request"]["headers"]["Authorization"] == "[Filtered]"
        assert not event["request"]["data"]


@pytest.mark.clause("E-6.1")
def test_sentry_is_told_of_a_service_that_does_not_start(run: Callable[..., Any]) -> None:
    received = run(SENTRY_INI + "cliquet.initialization_sequence = nowhere.setup\n", check=False)
    (event,) = received.events
    told = "Setting 'initialization_sequence' has 'nowhere.setup': No module named 'nowhere'"
    told += "; allowed: a function."
    assert exceptions(event)[-1] == ("ImportError", told)
    assert "s3cr3t-of-the-users" not in "".join(received.bodies)


@pytest.mark.clause("E-6.1")
@pytest.mark.parametrize("dsn", ["sentry.example.com/7", "https://sentry.example.com/7", "x://y"])
def test_an_address_that_is_none_is_named_in_a_clear_error(dsn: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^sentry_dsn: .*Expected https://KEY@"):
        make_app(settings={"sentry_dsn": dsn})


@pytest.mark.clause("E-6.1")
def test_a_missing_package_is_named_in_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentry_sdk", None)
    with pytest.raises(ConfigurationError, match=r"sentry_dsn.*sentry-sdk.*cliquet\[sentry\]"):
        make_app(settings={"sentry_dsn": "https://key@sentry.example.com/7"})


# The handler of raven


@pytest.mark.clause("E-6.1", "S-19.1")
def test_raven_sends_the_start(raven: Collector) -> None:
    first = raven.events[0]
    assert "kiosk 0.3.1 starting." in first["message"]
    assert first["level"] == 20


@pytest.mark.clause("E-6.1", "S-19.1")
def test_raven_sends_each_crash_once_with_its_traceback(raven: Collector) -> None:
    failures = [event for event in raven.events if event["level"] > 20]
    assert [exceptions(event)[-1] for event in failures] == [
        ("RuntimeError", "a secret"),
        ("BackendError", "RuntimeError: a secret"),
        ("RuntimeError", "a secret"),
    ]
    for event in failures:
        frames = event["exception"]["values"][-1]["stacktrace"]["frames"]
        assert frames[-1]["function"] == "_raise"
