"""What a synchronising client does, and how often."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from loadtests.exchange import Account, Answer, Exchange
from loadtests.options import RecordTemplate
from loadtests.service import Service, message_of

PAGE_LIMIT = 20
# A collection that others fill has no end.
MAX_PAGES = 10
SEED_BATCHES = 3


class Client:
    """One client of an account."""

    def __init__(
        self,
        account: Account,
        exchange: Exchange,
        *,
        service: Service,
        template: RecordTemplate,
        generator: random.Random,
    ) -> None:
        self._account = account
        self._exchange = exchange
        self._service = service
        self._template = template
        self._random = generator
        self._polled_etag = "0"

    def start(self) -> None:
        """Upload some records, so that there is something to read."""
        for _ in range(SEED_BATCHES):
            self._upload(created=self._service.batch_size)

    def run_one(self) -> None:
        """Do one operation; where there is no record to do it on, create one."""
        (operation,) = self._random.choices(OPERATIONS, [one.weight for one in OPERATIONS])
        if operation.needs_record and not self._account.etags:
            operation = CREATION
        operation.run(self)

    def read(self) -> None:
        record_id, _ = self._choose()
        self._use("GET record", "GET", record_id, expected={200}, in_race={404})

    def read_unchanged(self) -> None:
        record_id, etag = self._choose()
        condition = {"If-None-Match": etag}
        self._use(
            "GET record, 304", "GET", record_id, condition, expected={304}, in_race={200, 404}
        )

    def poll(self) -> None:
        answer = self._list("GET _since", urlencode({"_since": self._polled_etag}))
        if answer is not None:
            self._polled_etag = answer.headers.get("ETag", self._polled_etag)

    def list_page(self) -> None:
        self._list("GET page", urlencode({"_limit": PAGE_LIMIT}))

    def list_filtered(self) -> None:
        query = {"_sort": "last_modified", "_limit": PAGE_LIMIT}
        if field := self._template.filter_field:
            # JSON puts a text between quotes: one that looks like a number stays a text.
            value = json.dumps(self._record()[field], ensure_ascii=False)
            query = {field: value, "_sort": f"{field},last_modified", "_limit": PAGE_LIMIT}
        self._list("GET filter and sort", urlencode(query))

    def walk(self) -> None:
        query = urlencode({"_limit": PAGE_LIMIT})
        for _ in range(MAX_PAGES):
            answer = self._list("GET page by page", query)
            if answer is None or (next_page := answer.headers.get("Next-Page")) is None:
                return
            # Its query only: behind a proxy that it does not know of, the host may be another.
            query = urlsplit(next_page).query

    def create(self) -> None:
        self._use("POST", "POST", None, expected={201}, record=self._record())

    def create_with_id(self) -> None:
        condition = {"If-None-Match": "*"}
        self._use(
            "PUT, new", "PUT", self._new_id(), condition, expected={201}, record=self._record()
        )

    def modify(self) -> None:
        record_id, etag = self._choose()
        self._use(
            "PATCH, If-Match", "PATCH", record_id, {"If-Match": etag},
            expected={200}, in_race={404, 412}, record=self._record(),
        )  # fmt: skip

    def delete(self) -> None:
        record_id, _ = self._choose()
        self._use("DELETE", "DELETE", record_id, expected={200}, in_race={404})

    def upload(self) -> None:
        """Send what a user did offline: of ten, 3 creations, 2 replacements and 5 deletions."""
        size = self._service.batch_size
        known = list(self._account.etags)
        chosen = self._random.sample(known, min(len(known), size * 7 // 10))
        self._upload(created=size - len(chosen), replaced=chosen[:2], deleted=chosen[2:])

    def _upload(
        self, *, created: int, replaced: Collection[str] = (), deleted: Collection[str] = ()
    ) -> None:
        actions = [
            *((self._new_id(), "creation", {201}) for _ in range(created)),
            *((one, "replacement", {200}) for one in replaced),
            *((one, "deletion", {200}) for one in deleted),
        ]
        requests: list[dict[str, Any]] = []
        for record_id, action, _ in actions:
            path = f"{self._service.resource}/{record_id}"
            if action == "deletion":
                requests.append({"method": "DELETE", "path": path})
            else:
                body = {"data": self._record()}
                requests.append({"method": "PUT", "path": path, "body": body})

        def problem(body: Any) -> str | None:
            found = None
            for (record_id, action, expected), response in zip(
                actions, body["responses"], strict=True
            ):
                status = response["status"]
                # Lost races: the record to replace or to delete is no longer there.
                if status not in expected | ({201, 404} if self._account.shared else set()):
                    found = f"{action} in it: status {status}, {message_of(response['body'])}"
                elif action == "deletion":
                    self._account.etags.pop(record_id, None)
                else:
                    self._remember(response["body"])
            return found

        self._exchange(
            "batch", "POST", f"{self._service.url}/batch",
            expected={200}, body={"requests": requests}, problem=problem,
        )  # fmt: skip

    def _list(self, operation: str, query: str) -> Answer | None:
        return self._exchange(
            operation, "GET", f"{self._service.collection_url}?{query}",
            expected={200}, problem=_is_list,
        )  # fmt: skip

    def _use(
        self,
        operation: str,
        method: str,
        record_id: str | None,
        headers: Mapping[str, str] | None = None,
        *,
        expected: Collection[int],
        in_race: Collection[int] = (),
        record: dict[str, Any] | None = None,
    ) -> None:
        """Send a request on one record, and learn from the answer what became of it."""
        url = self._service.collection_url
        answer = self._exchange(
            operation,
            method,
            url if record_id is None else f"{url}/{record_id}",
            expected=expected,
            in_race=in_race,
            headers=headers,
            body=None if record is None else {"data": record},
            problem=_is_tombstone if method == "DELETE" else self._remember,
        )
        if answer is None or record_id is None:
            return
        if method == "DELETE" or answer.status == 404:
            self._account.etags.pop(record_id, None)
        elif answer.status == 412:
            self._account.etags[record_id] = answer.headers["ETag"]

    def _remember(self, body: Any) -> None:
        self._account.etags[body["data"]["id"]] = f'"{body["data"]["last_modified"]}"'

    def _choose(self) -> tuple[str, str]:
        return self._random.choice(list(self._account.etags.items()))

    def _new_id(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def _record(self) -> dict[str, Any]:
        return self._template.render(self._random)


def _is_list(body: Any) -> str | None:
    return None if isinstance(body["data"], list) else "its data are not a list"


def _is_tombstone(body: Any) -> str | None:
    return None if body["data"]["deleted"] is True else "its data are not a tombstone"


class Operation(NamedTuple):
    """One kind of action, and how often it is done: `weight` times in 100."""

    name: str
    weight: int
    run: Callable[[Client], None]
    needs_record: bool = False


CREATION = Operation("POST", 7, Client.create)

#: In the order of the report. Creations (7 + 5 + 3 batches of 3) and deletions (6 + 3 batches of
#: 5) come out even, so that collections keep their size however long a run lasts.
OPERATIONS = (
    Operation("GET record", 20, Client.read, needs_record=True),
    Operation("GET record, 304", 15, Client.read_unchanged, needs_record=True),
    Operation("GET _since", 20, Client.poll),
    Operation("GET page", 8, Client.list_page),
    Operation("GET filter and sort", 5, Client.list_filtered),
    Operation("GET page by page", 3, Client.walk),
    CREATION,
    Operation("PUT, new", 5, Client.create_with_id),
    Operation("PATCH, If-Match", 8, Client.modify, needs_record=True),
    Operation("DELETE", 6, Client.delete, needs_record=True),
    Operation("batch", 3, Client.upload),
)
