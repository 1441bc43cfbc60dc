"""Random steps of users and operators, and the judgement on the copies of their devices."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, Final

from webtest import TestApp

from cliquet.resource.sync_token import SyncToken
from cliquet.testing.sync.application import COLLECTION, URI, URL
from cliquet.testing.sync.device import Device, PlainDevice
from cliquet.testing.web import basic_auth

__all__ = ["Oracle"]

_GROUPS: Final = ("group:pickers", "group:cooks")
_EVERYBODY: Final = ("system.Everyone", "system.Authenticated")
_LIMITS: Final = (1, 2, 5, 100)
_USERS: Final = 5
# Errors that users may meet, since they do anything to any record.
_REFUSALS: Final = (401, 403, 404, 412)


class _User:
    """A user with devices.

    Attributes
    ----------
    principals : all the principals that the user has ever had; ``whole`` if the user could ever
        read the whole collection.
    changes : how often the view of the user has changed.
    """

    def __init__(self, number: int, oracle: Oracle) -> None:
        self.headers = basic_auth(f"user {number}")
        self.id: str = oracle.app.get("/v0/", headers=self.headers).json["user"]["id"]
        self.principals: set[str] = set()
        self.changes = 0
        limits = (_LIMITS[number % 4], _LIMITS[(number + 2) % 4])
        self.devices = [Device(self._sender(oracle), URL, limit) for limit in limits]
        self.plain = PlainDevice(self._sender(oracle), URL, limits[0])
        # How often the view had changed, and everything was flushed or purged, when each device was
        # up to date.
        self.known: dict[Device, tuple[int, int, int]] = {}

    def _sender(self, oracle: Oracle) -> Callable[[str], Any]:
        return lambda url: oracle.app.get(url, headers=self.headers, status="*")


class Oracle:
    """Runs random steps, and judges after each synchronisation.

    Parameters
    ----------
    apps : clients of applications on the same backends, from
        :func:`~cliquet.testing.sync.make_sync_app`; each request goes to one of them.
    seed : number that decides everything random.
    has_plain_devices : whether devices without tokens are judged too.
    """

    def __init__(
        self, apps: Sequence[TestApp], *, seed: int, has_plain_devices: bool = False
    ) -> None:
        self._random = random.Random(seed)  # noqa: S311 - no secret
        self._apps = apps
        self._seed = seed
        self._has_plain_devices = has_plain_devices
        self.step = 0
        self._flushes = 0
        self._purges = 0
        # All ids that were ever in use, and a few positions of the past.
        self._ids: list[str] = []
        self._past: list[int] = [1]
        self.users = [_User(number, self) for number in range(_USERS)]
        # The ids of the records that each principal could ever read.
        self._readable: defaultdict[str, set[str]] = defaultdict(set)
        self._steps: dict[Callable[[], None], int] = {
            self._create: 14,
            self._create_late: 4,
            self._create_again: 4,
            self._replace: 10,
            self._replace_late: 5,
            self._share: 16,
            self._unshare: 16,
            self._delete: 8,
            self._delete_late: 2,
            self._delete_all: 1,
            self._batch: 5,
            self._join_or_leave: 3,
            self._open_or_close: 1,
            self._purge: 2,
            self._flush: 1,
        }

    @property
    def app(self) -> TestApp:
        """One of the applications."""
        return self._random.choice(self._apps)

    def run(self, steps: int) -> None:
        """Run so many steps.

        Raises
        ------
        AssertionError : a device was told something wrong; the message has the seed and the step.
        """
        try:
            for _ in range(steps):
                self.step += 1
                self._change()
                if self._random.random() < 0.7:
                    self._synchronise(self._random.choice(self.users))
            for user in self.users:
                for device in user.devices:
                    self._judge(user, device)
        except AssertionError as error:
            raise AssertionError(f"seed {self._seed}, step {self.step}: {error}") from error

    # Judgement

    def _synchronise(self, user: _User) -> None:
        device = self._random.choice(user.devices)
        if self._random.random() < 0.3:
            # What changes meanwhile is told the next time.
            device.synchronise(self._disturb)
            self._judge_reasons(user, device)
        self._judge(user, device)
        if self._has_plain_devices:
            if self._random.random() < 0.3:
                user.plain.synchronise(self._disturb)
            user.plain.synchronise()
            self._compare(user, user.plain.records, "plain")
            self._judge_told(user, user.plain.told)

    def _disturb(self) -> None:
        if self._random.random() < 0.5:
            self._change()

    def _judge(self, user: _User, device: Device) -> None:
        device.synchronise()
        self._judge_reasons(user, device)
        self._compare(user, device.records, f"pages of {device._limit}")
        self._judge_told(user, device.told)

    def _judge_told(self, user: _User, told: set[str]) -> None:
        """Make sure that a user was told no id that nobody like them could ever read."""
        if "whole" not in user.principals:
            readable = set().union(*(self._readable[name] for name in user.principals))
            assert told <= readable, f"{user.id} could never read {told - readable}"

    def _judge_reasons(self, user: _User, device: Device) -> None:
        """Make sure that a device had to start again only for the reason that it was told."""
        changes, flushes, purges = user.known.get(device, (None, None, None))
        for reason in device.reasons:
            if reason == "view":
                assert changes != user.changes, "no group has changed"
            elif reason == "epoch":
                assert flushes != self._flushes, "nothing was flushed"
            else:
                assert purges != self._purges, "nothing was purged"
        user.known[device] = (user.changes, self._flushes, self._purges)
        position = SyncToken.decode(device.token).position
        assert position >= self._history().purged or device.reasons, "a purge was not noticed"

    def _compare(self, user: _User, copy: dict[str, Any], what: str) -> None:
        response = self.app.get(URL, headers=user.headers, status=(200, 403))
        records = response.json["data"] if response.status_code == 200 else []
        full = {record["id"]: record for record in records}
        missing, surplus = full.keys() - copy.keys(), copy.keys() - full.keys()
        assert not missing, f"{what}: {user.id} lacks {missing}"
        assert not surplus, f"{what}: {user.id} still has {surplus}"
        stale = {name for name in full if full[name] != copy[name]}
        assert not stale, f"{what}: {user.id} has old versions of {stale}"

    def _history(self) -> Any:
        return self.app.app.registry.storage.collection_history(**COLLECTION)

    def _view_of(self, user: _User) -> frozenset[str]:
        permission = self.app.app.registry.permission
        principals = {user.id, *_EVERYBODY, *permission.user_principals(user.id)}
        is_open = permission.check_permission(URI, "read", principals)
        return frozenset(["whole"]) if is_open else frozenset(principals)

    def _note_readable(self) -> None:
        """Remember what each user can read now."""
        registry = self.app.app.registry
        ids = [record["id"] for record in registry.storage.list_all(**COLLECTION)]
        aces = registry.permission.get_objects_permissions([f"{URI}/{name}" for name in ids])
        for name, given in zip(ids, aces, strict=True):
            for principal in given.get("read", set()) | given.get("write", set()):
                self._readable[principal].add(name)
        for user in self.users:
            user.principals |= self._view_of(user)

    # Steps

    def _change(self) -> None:
        (step,) = self._random.choices([*self._steps], weights=[*self._steps.values()])
        step()
        self._note_readable()

    def _send(self, method: str, url: str, body: Any = None, user: _User | None = None) -> Any:
        user = user or self._random.choice(self.users)
        send = getattr(self.app, f"{method.lower()}_json")
        content = {} if body is None else {"params": body}
        response = send(url, headers=user.headers, status="*", **content)
        status = response.status_code
        assert status < 400 or status in _REFUSALS, f"{method} {url}: {response}"
        found = response.json.get("data") if status < 300 else None
        if isinstance(found, dict):
            self._ids.append(found["id"])
            self._past.append(found["last_modified"])
        return response

    def _principals(self) -> list[str]:
        everyone = [*(user.id for user in self.users), *_GROUPS]
        chosen = self._random.sample(everyone, self._random.randint(0, 3))
        return chosen + ([self._random.choice(_EVERYBODY)] if self._random.random() < 0.1 else [])

    def _permissions(self) -> dict[str, list[str]]:
        permissions = {"read": self._principals()}
        if self._random.random() < 0.3:
            permissions["write"] = self._principals()
        return permissions

    def _data(self, **more: Any) -> dict[str, Any]:
        return {"n": self._random.randint(0, 9), **more}

    def _time(self) -> int:
        """Return a time of the past; now and then that of a record."""
        time = self._random.choice(self._past)
        return max(1, time + self._random.choice((-1, 0, 0, 1)))

    def _record(self) -> tuple[str, _User | None]:
        """Return the URL of a record, which may be deleted, and somebody who can write it."""
        live = self.app.app.registry.storage.list_all(**COLLECTION)
        ids = [record["id"] for record in live] or self._ids
        if not ids or self._random.random() < 0.05:
            ids = self._ids or [self._new_id()]
        name = self._random.choice(ids)
        principals = self.app.app.registry.permission.object_permission_principals(
            f"{URI}/{name}", "write"
        )
        writers = [user for user in self.users if user.id in principals]
        return f"{URL}/{name}", self._random.choice(writers) if writers else None

    def _new_id(self) -> str:
        digits = f"{self._random.getrandbits(128):032x}"
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"

    def _create(self) -> None:
        self._send("POST", URL, {"data": self._data(), "permissions": self._permissions()})

    def _create_late(self) -> None:
        data = self._data(last_modified=self._time())
        if self._random.random() < 0.5:
            data["id"] = self._new_id()
        self._send("POST", URL, {"data": data, "permissions": self._permissions()})

    def _create_again(self) -> None:
        """Create a record with an id that another one may have had."""
        if self._ids:
            data = self._data()
            if self._random.random() < 0.3:
                data["last_modified"] = self._time()
            body = {"data": data, "permissions": self._permissions()}
            self._send("PUT", f"{URL}/{self._random.choice(self._ids)}", body)

    def _replace(self) -> None:
        url, writer = self._record()
        method = self._random.choice(("PUT", "PATCH"))
        self._send(method, url, {"data": self._data()}, writer)

    def _replace_late(self) -> None:
        url, writer = self._record()
        body: dict[str, Any] = {"data": self._data(last_modified=self._time())}
        if self._random.random() < 0.3:
            body["permissions"] = self._permissions()
        self._send(self._random.choice(("PUT", "PATCH")), url, body, writer)

    def _share(self) -> None:
        url, writer = self._record()
        body = {"permissions": self._permissions()}
        self._send(self._random.choice(("PUT", "PATCH")), url, body, writer)

    def _unshare(self) -> None:
        url, writer = self._record()
        names = self._random.choice((["read"], ["write"], ["read", "write"]))
        self._send("PATCH", url, {"permissions": {name: [] for name in names}}, writer)

    def _delete(self) -> None:
        url, writer = self._record()
        self._send("DELETE", url, user=writer)

    def _delete_late(self) -> None:
        url, writer = self._record()
        self._send("DELETE", f"{url}?last_modified={self._time()}", user=writer)

    def _delete_all(self) -> None:
        limit = self._random.choice(("", "?_limit=2", "?n=3"))
        self._send("DELETE", f"{URL}{limit}")

    def _batch(self) -> None:
        requests = []
        for _ in range(self._random.randint(1, 4)):
            url, _ = self._record()
            method = self._random.choice(("POST", "PUT", "PATCH", "DELETE"))
            body = {"data": self._data(), "permissions": self._permissions()}
            one: dict[str, Any] = {"method": method, "path": URL if method == "POST" else url}
            if method != "DELETE":
                one["body"] = body
            requests.append(one)
        response = self._send("POST", "/v0/batch", {"requests": requests})
        # Who could read a record between two requests of the batch may be told that it has gone.
        for one in requests:
            for given in one.get("body", {}).get("permissions", {}).values():
                for principal in given:
                    self._readable[principal].add(one["path"].rsplit("/", 1)[-1])
        for answer in response.json["responses"]:
            assert answer["status"] < 400 or answer["status"] in _REFUSALS, answer

    def _join_or_leave(self) -> None:
        user, group = self._random.choice(self.users), self._random.choice(_GROUPS)
        permission = self.app.app.registry.permission
        if group in permission.user_principals(user.id):
            permission.remove_user_principal(user.id, group)
        else:
            permission.add_user_principal(user.id, group)
        user.changes += 1
        # Only tokens can tell that groups have changed.
        user.plain.start_again()

    def _open_or_close(self) -> None:
        """Let a user read the whole collection, or no longer."""
        user = self._random.choice(self.users)
        permission = self.app.app.registry.permission
        if permission.check_permission(URI, "read", [user.id]):
            permission.remove_principal_from_ace(URI, "read", user.id)
        else:
            permission.add_principal_to_ace(URI, "read", user.id)
        user.changes += 1
        user.plain.start_again()

    def _purge(self) -> None:
        self._purges += 1
        storage = self.app.app.registry.storage
        if self._random.random() < 0.5:
            storage.purge_deleted(**COLLECTION, before=self._time())
        else:
            storage.purge_deleted(**COLLECTION, max_retained=self._random.randint(0, 3))
        for user in self.users:
            user.plain.start_again()

    def _flush(self) -> None:
        if self._random.random() < 0.7:
            return
        registry = self.app.app.registry
        registry.storage.flush()
        registry.permission.flush()
        self._flushes += 1
        for user in self.users:
            user.changes += 1
            user.plain.start_again()
