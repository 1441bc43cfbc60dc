"""``cliquet check-permissions``: permissions without record, and records without owner."""

import contextlib
import functools
import json
import signal
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import sample
from processes.backends import FAMILIES, fresh_backends
from pyramid.registry import Registry
from servers.starting import run_program
from testapp import Mushroom
from webtest import TestApp

from cliquet import resource, utils
from cliquet.permission.base import PermissionBase
from cliquet.scripts import check_permissions as command
from cliquet.scripts import permission_checking
from cliquet.scripts.permission_checking import Findings, check
from cliquet.storage.exceptions import BackendError
from cliquet.storage.transfer import ImportedCollection
from cliquet.testing.bounded import Thread
from cliquet.testing.web import MEMORY_BACKENDS, basic_auth, make_app
from scripts.command_line import write_ini

pytestmark = pytest.mark.clause("X-30")


class OpenSchema(resource.ResourceSchema):
    class Options:
        preserve_unknown = True


class Toadstool(resource.ShareableResource):
    mapping = OpenSchema()


class Tree(resource.ShareableResource):
    """Below another."""

    mapping = OpenSchema()

    def get_parent_id(self, request: Any) -> Any:
        return "forest of " + request.matchdict["forest_id"]


class Leaf(resource.ShareableResource):
    """Whose parent has two variables of the URL, the other way round."""

    def get_parent_id(self, request: Any) -> Any:
        return "{tree_id}/{forest_id}/{tree_id}".format(**request.matchdict)


class Diary(resource.ShareableResource):
    """Each user has their own: the URL does not tell whose record is meant."""

    def get_parent_id(self, request: Any) -> Any:
        return request.prefixed_userid or "nobody"


class Root(resource.ShareableResource):
    """Whose URL does not follow from what is stored."""

    def get_parent_id(self, request: Any) -> str:
        return str(len(request.matchdict["forest_id"]))


def nested(cls: Any, path: str) -> Any:
    return cls, {"collection_path": path, "record_path": path + "/{{id}}"}


RESOURCES = [
    Mushroom,
    Toadstool,
    nested(Tree, "/forests/{{forest_id}}/trees"),
    nested(Leaf, "/forests/{{forest_id}}/trees/{{tree_id:[a-z*]+}}/leaves"),
    nested(Diary, "/diaries"),
    nested(Root, "/forests/{{forest_id}}/roots"),
]
HOMES = {
    "/toadstools/{}": ("toadstool", ""),
    "/forests/black/trees/{}": ("tree", "forest of black"),
    "/forests/*/trees/{}": ("tree", "forest of *"),
    "/forests/bl{{ck}}é/trees/elm/leaves/{}": ("leaf", "elm/bl{ck}é/elm"),
}


@pytest.fixture(scope="module")
def backends_of(request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Return the settings of a family, started when it is first asked for."""

    def postgresql_server() -> Any:
        return request.getfixturevalue("postgresql_server")

    with contextlib.ExitStack() as stack:
        yield functools.cache(
            lambda family: stack.enter_context(fresh_backends(family, postgresql_server))
        )


@pytest.fixture(
    scope="module",
    # Each with its own, and each once with another: what they exchange is the published contract.
    params=[*zip(FAMILIES, FAMILIES, strict=True), *pairwise([*FAMILIES, FAMILIES[0]])],
    ids=lambda pair: "-".join(pair),
)
def combination(backends_of: Callable[..., Any], request: pytest.FixtureRequest) -> dict[Any, Any]:
    """Settings of a storage of one family, and of permissions of another."""
    one, other = map(backends_of, request.param)
    kept = {name: value for name, value in one.items() if not name.startswith("permission_")}
    return {**kept, **{name: other[name] for name in other if name.startswith("permission_")}}


@pytest.fixture
def registry(combination: dict[Any, Any]) -> Any:
    return fresh(combination)


def fresh(settings: Any, resources: Any = RESOURCES) -> Any:
    registry = make_app(resources, settings=settings).app.registry
    for kind in ("storage", "permission"):
        getattr(registry, kind).initialize_schema()
        getattr(registry, kind).flush()
    return registry


@pytest.fixture
def in_memory() -> Any:
    return fresh(MEMORY_BACKENDS)


def put(registry: Any, path: str, record_id: Any, **aces: Any) -> Any:
    """Store a record, or only its permissions if the path has no home; return its URI."""
    object_id = path.format(record_id)
    if path in HOMES:
        collection_id, parent_id = HOMES[path]
        registry.storage.create(collection_id, parent_id, {"id": record_id})
    grant(registry, object_id, **aces)
    return object_id


def grant(registry: Any, object_id: Any, **aces: Any) -> Any:
    for permission, principal in aces.items():
        registry.permission.add_principal_to_ace(object_id, permission, principal)
    return object_id


def permissions(registry: Any, *object_ids: Any) -> Any:
    return registry.permission.get_objects_permissions(object_ids)


def grants(registry: Any) -> list[Any]:
    return list(registry.permission.export())


def told(registry: Any, **kwargs: Any) -> Any:
    """Return the findings, and what was told of which object."""
    faults = []
    findings = check(registry, tell=lambda *fault: faults.append(fault), **kwargs)
    return findings, faults


def sound(registry: Any) -> int:
    """Fill a service as it is without any fault; return the number of shared records."""
    for path in HOMES:
        for record_id in ("a", "b*"):
            put(registry, path, record_id, write="ann", read="bob")
    # What looks like a fault, and is none.
    grant(registry, "/toadstools", **{"toadstool:create": "ann"})
    grant(registry, "/forests/black/trees", **{"tree:create": "ann"})
    grant(registry, "/forests/unknown/trees", **{"tree:create": "ann"})
    registry.permission.add_user_principal("ann", "group")
    registry.storage.create("mushroom", "ann", {"id": "mine"})
    registry.storage.create("toadstool", "", {"id": "gone"})
    registry.storage.delete("toadstool", "", "gone")
    return 2 * len(HOMES)


def test_a_sound_service_has_no_fault(registry: Registry) -> None:
    number = sound(registry)

    for kwargs in ({}, {"repairs": True, "owner": "eve"}):
        before = grants(registry)
        assert told(registry, **kwargs) == (Findings(objects=number, records=number), [])
        assert grants(registry) == before


def test_entries_without_record_are_told_and_removed(registry: Registry) -> None:
    number = sound(registry)
    orphans = [
        grant(registry, path.format(record_id), read="eve", write="mallory")
        for path in HOMES
        for record_id in ("gone", "never", "*")
    ]
    before = grants(registry)

    findings, faults = told(registry)

    assert sorted(object_id for object_id, _ in faults) == sorted(orphans)
    assert {fault for _, fault in faults} == {"entries without record: read, write"}
    assert findings == Findings(objects=number + 12, records=number, without_record=12)
    assert findings.remaining == 12
    assert grants(registry) == before

    findings, faults = told(registry, repairs=True)

    assert {fault for _, fault in faults} == {"entries without record: read, write, removed"}
    assert (findings.without_record, findings.removed, findings.remaining) == (12, 12, 0)
    assert permissions(registry, *orphans) == [{}] * 12
    assert grants(registry) == [grant for grant in before if grant[0] not in orphans]
    assert told(registry) == (Findings(objects=number, records=number), [])


def test_records_without_owner_are_told_and_given(registry: Registry) -> None:
    number = sound(registry)
    lost = [put(registry, path, "lost") for path in HOMES]
    lost += [put(registry, path, "read only", read="bob") for path in HOMES]
    before = grants(registry)

    for kwargs in ({}, {"owner": "eve"}, {"repairs": True}):
        findings, faults = told(registry, **kwargs)
        assert sorted(faults) == sorted((one, "record without owner") for one in lost)
        assert findings.records == number + 8
        assert (findings.without_owner, findings.given, findings.remaining) == (8, 0, 8)
        assert grants(registry) == before

    findings, faults = told(registry, repairs=True, owner="ann")

    assert sorted(faults) == sorted((one, "record without owner, given to ann") for one in lost)
    assert (findings.without_owner, findings.given, findings.remaining) == (8, 8, 0)
    assert permissions(registry, *lost[:4]) == [{"write": {"ann"}}] * 4
    assert permissions(registry, *lost[4:]) == [{"write": {"ann"}, "read": {"bob"}}] * 4
    assert told(registry)[0].remaining == 0


def test_what_no_shareable_resource_serves_is_counted_and_left_alone(registry: Registry) -> None:
    foreign = [
        "/unknown/a",
        "/mushrooms/a",
        "/mushrooms",
        "/batch",
        "relative",
        "",
        "/diaries/a",
        "/toadstools/a/b",
        "/forests/black/trees/ELM/leaves/a",
    ]
    for object_id in foreign:
        grant(registry, object_id, write="ann")
    registry.storage.create("diary", "ann", {"id": "b"})
    registry.storage.create("root", "5", {"id": "c"})
    registry.storage.create("tree", "of another form", {"id": "d"})
    before = grants(registry)

    findings, faults = told(registry, repairs=True, owner="eve")

    assert faults == []
    assert findings == Findings(foreign_objects=len(foreign), unknown_collections=3)
    assert grants(registry) == before


def test_more_than_one_page_is_checked(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(permission_checking, "BATCH", 3)
    for number in range(8):
        put(registry, "/toadstools/{}", f"r{number}", **({"write": "ann"} if number % 2 else {}))
        grant(registry, f"/toadstools/o{number}", write="ann")
        grant(registry, f"/forests/f{number}/trees/o", write="ann")

    findings, _ = told(registry, repairs=True, owner="ann")

    assert (findings.without_record, findings.removed) == (16, 16)
    assert (findings.without_owner, findings.given) == (4, 4)
    assert told(registry)[0] == Findings(objects=8, records=8)


# While the service goes on


def interrupted(registry: Any, monkeypatch: Any, method: str, act: Any) -> None:
    """Have something done by another client just before the first call of a storage's method."""
    original = getattr(registry.storage, method)

    def called(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(registry.storage, method, original)
        thread = Thread(target=act)
        thread.start()
        thread.join()
        return original(*args, **kwargs)

    monkeypatch.setattr(registry.storage, method, called)


@pytest.mark.parametrize("repairs", [False, True])
def test_a_record_that_is_created_meanwhile_keeps_its_own(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, repairs: bool
) -> None:
    object_id = grant(registry, "/toadstools/a", write="mallory")

    def create() -> None:
        registry.storage.create("toadstool", "", {"id": "a"})
        registry.permission.delete_object_permissions(object_id)
        grant(registry, object_id, write="ann")

    # After the command has looked for the record, and not found it.
    interrupted(registry, monkeypatch, "atomic" if repairs else "get", create)
    findings, faults = told(registry, repairs=repairs)

    assert (findings.without_record, faults) == (0, [])
    assert permissions(registry, object_id) == [{"write": {"ann"}}]


@pytest.mark.parametrize("repairs", [False, True])
def test_a_record_that_is_deleted_meanwhile_gets_no_owner(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, repairs: bool
) -> None:
    object_id = put(registry, "/toadstools/{}", "a")

    def delete() -> None:
        registry.storage.delete("toadstool", "", "a")

    interrupted(registry, monkeypatch, "atomic" if repairs else "get", delete)
    findings, faults = told(registry, repairs=repairs, owner="ann")

    assert (findings.without_owner, faults) == (0, [])
    assert permissions(registry, object_id) == [{}]


def test_repairs_and_creations_at_once_leave_each_record_to_its_owner(
    combination: dict[Any, Any],
) -> None:
    """Several users create again what has entries without record, while these are removed."""
    settings = {**combination, "toadstool_create_principals": "system.Authenticated"}
    client = make_app(RESOURCES, settings=settings)
    registry = client.app.registry
    for kind in ("storage", "permission", "cache"):
        getattr(registry, kind).initialize_schema()
        if kind != "cache":
            getattr(registry, kind).flush()
    ids = [f"00000000-0000-4000-8000-{n:012}" for n in range(24)]
    for record_id in ids:
        grant(registry, f"/toadstools/{record_id}", read="mallory", write="mallory")
    users = [basic_auth(name) for name in ("ann", "bob")]
    statuses = []

    def create(headers: Any, order: Any) -> None:
        own = TestApp(client.app)
        for record_id in order:
            answer = own.put_json(
                f"/v0/toadstools/{record_id}",
                {"data": {}},
                headers={**headers, "If-None-Match": "*"},
                status="*",
            )
            statuses.append(answer.status_int)

    threads = [
        Thread(target=create, args=(users[0], ids)),
        Thread(target=create, args=(users[1], ids[::-1])),
        Thread(target=check, args=(registry,), kwargs={"repairs": True}),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    owners = permissions(registry, *(f"/toadstools/{record_id}" for record_id in ids))
    assert statuses.count(201) == len(ids)
    assert [one.get("read") for one in owners] == [None] * len(ids)
    assert {len(one.get("write", ())) for one in owners} == {1}
    assert told(registry)[0].remaining == 0


def die_between_commits(settings: Any, method: str, record_id: Any, lease_ms: Any) -> None:
    """Make a request whose process is killed once the records are committed."""
    program = Path(__file__).with_name("dying.py")
    arguments = [json.dumps(settings), method, f"/v0/toadstools/{record_id}", str(lease_ms)]
    command = [sys.executable, str(program), *arguments]
    died = run_program(command, capture_output=True, timeout=60, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr


# The first one: its locks are still there when the repair has waited for them once.
@pytest.mark.usefixtures("processes")
@pytest.mark.parametrize(("family", "lease_ms"), [("sqlite", 7000), ("postgresql", 500)])
def test_what_a_kill_between_the_commits_leaves_is_repaired(
    backends_of: Callable[..., Any], family: str, lease_ms: int
) -> None:
    elsewhere = backends_of("redis")
    settings = {
        **backends_of(family),
        **{name: elsewhere[name] for name in elsewhere if name.startswith("permission_")},
    }
    registry = fresh(settings)
    born, dead = (f"00000000-0000-4000-8000-00000000000{n}" for n in range(2))
    user = "basicauth:" + utils.hmac_digest("", "ann:1")
    put(registry, "/toadstools/{}", dead, write=user, read="bob")

    die_between_commits(settings, "PUT", born, lease_ms)
    die_between_commits(settings, "DELETE", dead, lease_ms)

    lost, orphan = f"/toadstools/{born}", f"/toadstools/{dead}"
    assert dict(told(registry)[1]) == {
        lost: "record without owner",
        orphan: "entries without record: read, write",
    }
    assert told(registry, repairs=True, owner=user)[0].remaining == 0
    assert permissions(registry, lost, orphan) == [{"write": {user}}, {}]
    assert told(registry) == (Findings(objects=1, records=1), [])


class Locked:
    """Refuses a number of times, as a collection that others keep locked."""

    def __init__(self, atomic: Any, times: Any, *, retryable: bool = True) -> None:
        self.atomic, self.left, self.retryable = atomic, times, retryable

    def __call__(self, operation: Any, **home: Any) -> Any:
        if self.left:
            self.left -= 1
            raise BackendError(message="locked", retryable=self.retryable)
        return self.atomic(operation, **home)


def test_a_lock_is_waited_for_several_times_and_not_for_ever(
    in_memory: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    object_id = grant(in_memory, "/toadstools/gone", write="eve")
    atomic = in_memory.storage.atomic
    for times, retryable in ((4, True), (1, False)):
        monkeypatch.setattr(in_memory.storage, "atomic", Locked(atomic, times, retryable=retryable))
        with pytest.raises(BackendError, match="locked"):
            check(in_memory, repairs=True)

    monkeypatch.setattr(in_memory.storage, "atomic", Locked(atomic, 3))
    assert check(in_memory, repairs=True).removed == 1
    assert permissions(in_memory, object_id) == [{}]


# An application of objects within objects


def test_objects_below_others_are_found_also_when_those_are_gone() -> None:
    app = sample.main({}, **MEMORY_BACKENDS)
    registry = app.registry
    storage = registry.storage
    storage.create("bucket", "", {"id": "garden"})
    storage.create("collection", "/buckets/garden", {"id": "herbs"})
    records = "/buckets/garden/collections/herbs"
    storage.create("record", records, {"id": "basil"})
    for uri in ("/buckets/garden", records):
        grant(registry, uri, write="ann")
    # Below a bucket that does not exist.
    storage.create("group", "/buckets/lost", {"id": "left"})
    orphans = ["/buckets/gone", "/buckets/gone/collections/x", f"{records}/records/thyme"]
    for uri in orphans:
        grant(registry, uri, write="ann")

    findings, faults = told(registry, repairs=True, owner="bob")

    removed = [uri for uri, fault in faults if "removed" in fault]
    assert sorted(removed) == sorted(orphans)
    given = {uri for uri, fault in faults if "given to bob" in fault}
    assert given == {f"{records}/records/basil", "/buckets/lost/groups/left"}
    assert findings.remaining == 0
    assert findings.unknown_collections == 0


# The command


class Elsewhere(PermissionBase):
    """A permission backend of another origin."""


def ini_on_files(tmp_path: Any, **settings: Any) -> Any:
    url = f"sqlite:///{tmp_path}/file.db"
    backends = {}
    for kind in ("storage", "permission", "cache"):
        backends[f"{kind}_backend"] = f"cliquet.{kind}.sqlite"
        backends[f"{kind}_url"] = url
    return write_ini(tmp_path / "service.ini", {**backends, **settings}), backends


@pytest.fixture
def service(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """A service with one fault of each kind: its file, and its registry in this process."""
    ini, backends = ini_on_files(tmp_path)
    registry = fresh(backends, [Toadstool])
    put(registry, "/toadstools/{}", "a", write="ann")
    put(registry, "/toadstools/{}", "lost")
    grant(registry, "/toadstools/gone\n", read="eve")
    grant(registry, "/elsewhere/a", read="eve")
    capsys.readouterr()
    return ini, registry


def test_what_is_found_and_not_repaired_is_exit_code_1(
    cliquet: Callable[..., Any], service: tuple[Any, ...]
) -> None:
    ini, _ = service

    outcome = cliquet("--ini", ini, "check-permissions")

    assert outcome.code == 1
    assert outcome.out.splitlines() == [
        r"'/toadstools/gone\n': entries without record: read",
        "/toadstools/lost: record without owner",
        "entries without record: 1 of 2 objects, 0 removed",
        "records without owner: 1 of 2 records, 0 given away",
        "left alone: 1 objects that no shareable resource serves",
    ]
    assert "2 faults found and not repaired: see --repair" in outcome.err


def test_repairing_without_owner_leaves_the_records_without_owner(
    cliquet: Callable[..., Any], service: tuple[Any, ...]
) -> None:
    ini, registry = service

    outcome = cliquet("check-permissions", "--repair", "--ini", ini)

    assert outcome.code == 1
    assert "1 fault found and not repaired: --owner says" in outcome.err
    assert "1 removed" in outcome.out
    assert permissions(registry, "/toadstools/gone\n") == [{}]


def test_repairing_all_is_exit_code_0_and_so_is_what_follows(
    cliquet: Callable[..., Any], service: tuple[Any, ...]
) -> None:
    ini, registry = service

    repaired = cliquet("--ini", ini, "check-permissions", "--repair", "--owner", "basicauth:ann")
    again = cliquet("--ini", ini, "check-permissions")

    assert (repaired.code, again.code) == (0, 0)
    assert "/toadstools/lost: record without owner, given to basicauth:ann" in repaired.out
    assert permissions(registry, "/toadstools/lost") == [{"write": {"basicauth:ann"}}]


def test_collections_that_cannot_be_checked_are_told(
    cliquet: Callable[..., Any], tmp_path: Path
) -> None:
    ini, backends = ini_on_files(tmp_path)
    registry = fresh(backends, [Toadstool])
    registry.storage.import_([ImportedCollection("elsewhere", "toadstool", 5)])
    registry.storage.create("toadstool", "elsewhere", {"id": "a"})

    outcome = cliquet("--ini", ini, "check-permissions")

    assert outcome.code == 0
    assert "not checked for owners: 1 collections" in outcome.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--owner", "ann"], "--owner has a meaning with --repair only"),
        (["--repair", "--owner", ""], "cannot be a principal"),
        (["--repair", "--owner", "a" * 513], "cannot be a principal"),
    ],
)
def test_a_wrong_command_line_is_exit_code_2(
    cliquet: Callable[..., Any], service: tuple[Any, ...], arguments: list[Any], message: str
) -> None:
    outcome = cliquet("--ini", service[0], "check-permissions", *arguments)

    assert outcome.code == 2
    assert message in outcome.err


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"storage_backend": "cliquet.storage.memory"}, "in the memory of the service"),
        ({"permission_backend": "cliquet.permission.memory"}, "in the memory of the service"),
        ({"readonly": "true"}, "its setting readonly is true"),
    ],
)
def test_a_service_that_cannot_be_repaired_is_refused(
    cliquet: Callable[..., Any], tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    ini, _ = ini_on_files(tmp_path, **settings)

    outcome = cliquet("--ini", ini, "check-permissions", "--repair")

    assert outcome.code == 1
    assert message in outcome.err


def test_a_backend_of_another_origin_without_export_is_refused(
    in_memory: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "is_in_memory", lambda backend: False)
    in_memory.permission = Elsewhere()

    with pytest.raises(command.CommandError, match=r"cannot be checked: it has no export\(\)"):
        command._require(in_memory, repairs=False)

    in_memory.permission = None
    with pytest.raises(command.CommandError, match="its setting permission_backend is empty"):
        command._require(in_memory, repairs=False)
