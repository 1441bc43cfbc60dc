"""The errors of all drivers become those of backends by one mechanism."""

from __future__ import annotations

import importlib
import sqlite3
from typing import Any

import psycopg2
import pymemcache
import pytest
import redis
from structlog.testing import capture_logs

from cliquet.connections.translated_errors import TranslatedErrors
from cliquet.storage.exceptions import BackendError, ReadonlyError

DRIVERS = {
    "redis.client": redis.ConnectionError("gone"),
    "memcached": pymemcache.MemcacheError("gone"),
    "postgresql.session": psycopg2.OperationalError("gone"),
    "sqlite.connection": sqlite3.OperationalError("gone"),
}


@pytest.fixture(params=DRIVERS)
def driver(request: pytest.FixtureRequest) -> tuple[Any, Exception]:
    """The translation of a driver, and one of its errors."""
    module = importlib.import_module(f"cliquet.connections.{request.param}")
    assert isinstance(module.translated_errors, TranslatedErrors)
    return module.translated_errors, DRIVERS[request.param]


@pytest.mark.clause("B-2.5", "P-29.5")
def test_an_error_in_a_block_is_that_of_backends_and_is_logged(
    driver: tuple[Any, Exception],
) -> None:
    translated_errors, original = driver

    with (
        capture_logs() as entries,
        pytest.raises(BackendError, match="gone") as raised,
        translated_errors,
    ):
        raise original

    assert raised.value.original is raised.value.__cause__ is original
    assert (raised.value.retryable, isinstance(raised.value, ReadonlyError)) == (False, False)
    assert [(entry["event"], entry["log_level"]) for entry in entries] == [("gone", "error")]


@pytest.mark.clause("B-2.5", "P-29.5")
def test_a_function_is_decorated_with_the_same_name(driver: tuple[Any, Exception]) -> None:
    translated_errors, original = driver

    @translated_errors
    def divide(number: int, *, by: int) -> float:
        """Divide."""
        if not by:
            raise original
        return number / by

    with pytest.raises(BackendError, match="gone"):
        divide(6, by=0)
    assert divide(6, by=2) == 3
    assert (divide.__name__, divide.__doc__) == ("divide", "Divide.")


@pytest.mark.clause("B-2.5")
@pytest.mark.parametrize("error", [KeyError("x"), BackendError(message="known"), SystemExit()])
def test_other_errors_stay_as_they_are(driver: tuple[Any, Exception], error: BaseException) -> None:
    translated_errors, _ = driver

    with pytest.raises(type(error)) as raised, translated_errors:
        raise error

    assert raised.value is error
    assert raised.value.__cause__ is None
