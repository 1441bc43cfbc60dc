"""The promises of the feed while processes are killed and servers restarted (E-14.3).

``CLIQUET_TEST_FIRE_SECONDS`` makes it burn longer than some seconds, with 8 writers and 50 readers.
"""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import pytest
from deployment.service import FEED, MUSHROOMS, SERVERS, Service, deployed, on_postgresql, on_sqlite
from processes.backends import redis_settings
from servers.postgresql import new_database, running_postgresql
from servers.redis import redis_process
from support.fire import MIN_WRITES, Fire

SECONDS = float(os.environ.get("CLIQUET_TEST_FIRE_SECONDS", "2"))
IS_LONG = SECONDS > 10

pytestmark = [
    pytest.mark.usefixtures("processes"),
    pytest.mark.slow,
    pytest.mark.timeout(2 * SECONDS + 300),
]


@contextlib.contextmanager
def burning(family: str, request: Any) -> Iterator[Any]:
    """Give the function of the settings of a service, and how its server is restarted."""
    if family == "sqlite":
        yield on_sqlite, None
    elif family == "redis":
        with redis_process(is_durable=True) as server:

            def restart_redis() -> None:
                server.stop()
                server.start()

            settings = {
                f"CLIQUET_{name.upper()}": value
                for name, value in redis_settings(server.url).items()
            }
            yield lambda _: {**on_sqlite(_), **settings}, restart_redis
    else:
        with running_postgresql() as server, new_database(server.url) as url:

            def restart_postgresql() -> None:
                server.stop()
                server.start()

            yield on_postgresql(url), restart_postgresql


@pytest.mark.clause("E-14.3", "E-14.5", "E-14.6")
@pytest.mark.parametrize("family", ["sqlite", "postgresql", "redis"])
def test_nothing_is_lost_nor_out_of_order_nor_told_twice(
    family: str, request: pytest.FixtureRequest
) -> None:
    with burning(family, request) as (made, restart):

        def settings(folder: Any) -> dict[str, str]:
            return {
                **made(folder),
                "CLIQUET_SYNC_ENABLED": "true",
                "CLIQUET_FEED_MAX_STREAMS": "5",
            }

        with deployed(
            SERVERS["gunicorn gthread"], settings, migrates=family == "postgresql"
        ) as service:
            feed = Service(service.folder, FEED, service.environment)
            feed.start()
            fire = Fire(
                service,
                feed,
                MUSHROOMS,
                writers=8 if IS_LONG else 3,
                readers=50 if IS_LONG else 10,
                pause=0.1 if IS_LONG else 0.03,
            )
            strikes = [fire.kill_worker, fire.kill_feed]
            if restart is not None:
                strikes.insert(1, restart)
            try:
                fire.burn(SECONDS, strikes, pause=4 if IS_LONG else 0.4)
                wrong = fire.differences()
            finally:
                feed.stop()
            print(family, fire.told())

            assert fire.told()["writes"] > MIN_WRITES
            assert fire.faults() == {}
            assert wrong == []
