"""Several clients that change the members of one group over HTTP at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from support.combinations import COMBINATIONS, backend_settings, name_of
from webtest import TestApp

from cliquet.testing.storage.common import in_threads
from cliquet.testing.web import basic_auth, make_app

pytestmark = [pytest.mark.clause("E-19.1", "X-24"), pytest.mark.setting("groups_enabled")]

OWNER = basic_auth("owner")
WRITERS = 2
ROUNDS = 4
MOST_ATTEMPTS = 200
SETTINGS = {"groups_enabled": "true", "group_create_principals": "system.Authenticated"}


@pytest.fixture(params=COMBINATIONS, ids=name_of)
def apps(request: pytest.FixtureRequest) -> Iterator[list[TestApp]]:
    """Clients of two applications on one storage, as in two processes; in memory, of one."""
    with backend_settings(request.param, request) as backends:
        # A private memory cannot be shared by two.
        number = 1 if "memory" in request.param else WRITERS
        made = [make_app(settings={**backends, **SETTINGS}) for _ in range(number)]
        registry = made[0].app.registry
        for backend in (registry.storage, registry.permission):
            backend.initialize_schema()
            backend.flush()
        yield made
        for app in made:
            for backend in (app.app.registry.storage, app.app.registry.permission):
                dispose = getattr(getattr(backend, "client", None), "dispose", None)
                if dispose is not None:
                    dispose()


def user(rank: int, turn: int) -> str:
    return f"basicauth:{rank}-{turn}"


def created(app: TestApp, *members: str) -> str:
    body = {"data": {"members": list(members)}}
    return str(app.post_json("/v0/groups", body, headers=OWNER, status=201).json["data"]["id"])


def changed(app: TestApp, group: str, change: Callable[[list[str]], list[str]]) -> int:
    """Change the members as they are, as clients should; return the number of attempts."""
    url = f"/v0/groups/{group}"
    for attempt in range(1, MOST_ATTEMPTS):
        found = app.get(url, headers=OWNER, status=200)
        headers = {**OWNER, "If-Match": found.headers["ETag"]}
        body = {"data": {"members": change(found.json["data"]["members"])}}
        response = app.patch_json(url, body, headers=headers, status="*")
        if response.status_int == 200:
            return attempt
        assert response.status_int in (412, 503), response
    raise AssertionError(f"412 or 503 after {MOST_ATTEMPTS} attempts")


def members_and_holders(apps: list[TestApp], group: str) -> tuple[set[str], set[str]]:
    """Return the members in the record, and the users who have the principal of the group."""
    app = apps[0]
    record = app.get(f"/v0/groups/{group}", headers=OWNER, status=200).json["data"]
    permission = app.app.registry.permission
    everybody = [user(rank, turn) for rank in range(WRITERS) for turn in range(ROUNDS)]
    principal = f"/groups/{group}"
    holders = {one for one in everybody if principal in permission.user_principals(one)}
    return set(record["members"]), holders


def of_writer(apps: list[TestApp], rank: int) -> TestApp:
    return TestApp(apps[rank % len(apps)].app)


def test_no_member_is_lost_whom_somebody_adds_with_if_match(apps: list[TestApp]) -> None:
    group = created(apps[0])

    def add(rank: int) -> None:
        app = of_writer(apps, rank)
        for turn in range(ROUNDS):
            changed(app, group, lambda members: [*members, user(rank, turn)])  # noqa: B023 - called at once

    outcomes = in_threads(WRITERS, add)

    everybody = {user(rank, turn) for rank in range(WRITERS) for turn in range(ROUNDS)}
    assert outcomes == [None] * WRITERS
    assert members_and_holders(apps, group) == (everybody, everybody)


def test_who_is_removed_meanwhile_keeps_nothing(apps: list[TestApp]) -> None:
    leaving = [user(0, turn) for turn in range(ROUNDS)]
    group = created(apps[0], *leaving)

    def change(rank: int) -> None:
        app = of_writer(apps, rank)
        for turn in range(ROUNDS):
            one = user(rank, turn)
            changed(
                app,
                group,
                lambda members: (
                    [*members, one] if rank else [each for each in members if each != one]  # noqa: B023 - called at once
                ),
            )

    outcomes = in_threads(WRITERS, change)

    coming = {user(1, turn) for turn in range(ROUNDS)}
    assert outcomes == [None] * WRITERS
    assert members_and_holders(apps, group) == (coming, coming)


def test_the_last_of_two_lists_without_condition_is_that_of_record_and_principals(
    apps: list[TestApp],
) -> None:
    group = created(apps[0])

    def replace(rank: int) -> None:
        app = of_writer(apps, rank)
        for turn in range(ROUNDS):
            body = {"data": {"members": [user(rank, turn)]}}
            app.patch_json(f"/v0/groups/{group}", body, headers=OWNER, status=[200, 503])

    outcomes = in_threads(WRITERS, replace)

    members, holders = members_and_holders(apps, group)
    assert outcomes == [None] * WRITERS
    assert len(members) == 1
    assert holders == members


def test_a_group_that_is_deleted_meanwhile_has_no_members(apps: list[TestApp]) -> None:
    group = created(apps[0])
    url = f"/v0/groups/{group}"

    def change(rank: int) -> None:
        app = of_writer(apps, rank)
        if rank == 0:
            app.delete(url, headers=OWNER, status=[200, 503])
            return
        for turn in range(ROUNDS):
            body = {"data": {"members": [user(rank, turn)]}}
            app.patch_json(url, body, headers=OWNER, status=[200, 403, 404, 503])

    outcomes = in_threads(WRITERS, change)
    apps[0].delete(url, headers=OWNER, status="*")

    permission = apps[0].app.registry.permission
    assert outcomes == [None] * WRITERS
    assert apps[0].get(url, headers=OWNER, status="*").status_int in (403, 404)
    for turn in range(ROUNDS):
        assert f"/groups/{group}" not in permission.user_principals(user(1, turn))
