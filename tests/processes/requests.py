"""Generated requests: each depends on a seed, and on what the first application has answered."""

import json
from typing import Any
from urllib.parse import quote

from processes import values
from processes.transcripts import Step, context_of

COLLECTIONS = ("lichens", "truffles", "growths", "amanitas", "toadstools")
USERS = ("mat", "alice")
FIXED_IDS = tuple(f"f1000000-0000-4000-8000-00000000000{n}" for n in range(4))
LIST_PARAMETERS = ("filter", "filter", "sort", "limit", "fields", "since", "prefix")
PREFIXES = ("", "not_", "min_", "max_", "lt_", "gt_", "in_", "exclude_", "like_", "has_")
PREFIXES += ("contains_", "contains_any_")  # type: ignore[assignment]
FIELDS = {
    "lichens": ("n", "title", "a", "é", "longer name", "x.y", "address.a"),
    "truffles": ("name", "email", "code"),
    "growths": ("title", "number", "is_wild", "address", "address.n"),
    "amanitas": ("id",),
    "toadstools": ("name", "code"),
}
MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"


class Requests:
    """Makes one request after another.

    Parameters
    ----------
    random : generator of the standard library.
    transcript : of the first application: what can be referred to.
    """

    def __init__(self, random: Any, transcript: Any) -> None:
        self.random = random
        self.transcript = transcript

    def next(self) -> Any:
        makers = [self.write] * 12 + [self.listing] * 8 + [self.record] * 3
        makers += [self.malformed] * 3 + [self.batch] * 2 + [self.page] * 2 + [self.clearing]
        return self.random.choice(makers)()

    # Of what requests are made

    def _place(self) -> Any:
        collection = self.random.choice(COLLECTIONS)
        return collection, self.random.choice(USERS), f"/v0/{collection}"

    def _id(self, url: Any, user: Any) -> Any:
        # One that the collection has named, rather the later ones; or one of another collection.
        named = self.transcript.id_ranks.get(context_of(url, user))
        if named and self.random.random() < 0.9:
            return f"@id::{self._late(named)}@"
        return self.random.choice(FIXED_IDS)

    def _late(self, items: Any) -> Any:
        return items[max(self.random.randrange(len(items)) for _ in range(3))]

    def _stamp(self, url: Any, user: Any) -> str:
        context = context_of(url, user)
        stamps = self.transcript.stamps.get(context)
        if not stamps:
            return "1000"
        return f"@stamp:{context}:{self._late(range(len(stamps)))}@"

    def _condition(self, url: Any, user: Any) -> dict[Any, Any]:
        chance = self.random.random()
        if chance < 0.6:
            return {}
        name = self.random.choice(("If-Match", "If-None-Match"))
        if chance < 0.7:
            return {name: "*"}
        return {name: f'"{self._stamp(url, user)}"'}

    def _step(
        self,
        method: str,
        url: Any,
        user: Any,
        body: Any = None,
        headers: Any = None,
        parts: Any = (),
    ) -> Any:
        sent = dict(headers or {})
        text = body
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
            if not isinstance(body, str):
                text = json.dumps(body, ensure_ascii=self.random.random() < 0.5)
        return Step(method, url, user, sent, text, parts)

    # Requests

    def write(self) -> Any:
        collection, user, base = self._place()
        method = self.random.choice(("POST", "PUT", "PATCH") * 2 + ("DELETE",))
        url = base if method == "POST" else f"{base}/{self._id(base, user)}"
        headers = self._condition(url, user)
        if method == "DELETE":
            query = self.random.choice(("", "", f"?last_modified={self._stamp(url, user)}"))
            return self._step(method, url + query, user, headers=headers)
        data = values.data(self.random, collection)
        if method == "PATCH" and self.random.random() < 0.2:
            return self._other_patch(url, user, data, headers)
        if method == "PATCH":
            data.pop("name", None)
        if self.random.random() < 0.15:
            data["last_modified"] = self.random.choice((1000, self._stamp(url, user)))
        if method == "POST" and self.random.random() < 0.3:
            data["id"] = self._id(base, user)
            # Of two conflicts any may be reported (H-23.8).
            data.pop("code", None)
            data.pop("email", None)
        body = {"data": data}
        if collection in ("amanitas", "toadstools") and self.random.random() < 0.5:
            body["permissions"] = self._permissions()
        return self._step(method, url, user, body, headers)

    def _permissions(self) -> dict[Any, Any]:
        principals = ("system.Everyone", "system.Authenticated", "friend", "é")
        names = self.random.sample(("read", "write"), self.random.randrange(3))
        return {
            name: self.random.sample(principals, self.random.randrange(len(principals)))
            for name in names
        }

    def _other_patch(self, url: Any, user: Any, data: Any, headers: Any) -> Any:
        if self.random.random() < 0.5:
            return self._step("PATCH", url, user, data, {**headers, "Content-Type": MERGE_PATCH})
        operations = [
            {"op": "add", "path": f"/data/{name}", "value": value}
            for name, value in data.items()
            if name and "." not in name
        ]
        operations.append({"op": self.random.choice(("remove", "test")), "path": "/data/n"})
        return self._step("PATCH", url, user, operations, {**headers, "Content-Type": JSON_PATCH})

    def record(self) -> Any:
        _, user, base = self._place()
        url = f"{base}/{self._id(base, user)}"
        query = self.random.choice(("", "", "?_fields=n,title,name"))
        method = self.random.choice(("GET", "GET", "HEAD"))
        return self._step(method, url + query, user, headers=self._condition(url, user))

    def listing(self) -> Any:
        collection, user, base = self._place()
        query = self._query(collection, base, user)
        method = self.random.choice(("GET", "GET", "GET", "HEAD"))
        headers = self._condition(base, user) if self.random.random() < 0.3 else {}
        return self._step(method, f"{base}?{query}" if query else base, user, headers=headers)

    def _query(self, collection: Any, base: Any, user: Any) -> Any:
        kinds = self.random.sample(LIST_PARAMETERS, self.random.randrange(4))
        return "&".join(self._parameter(kind, collection, base, user) for kind in kinds)

    def _parameter(self, kind: Any, collection: Any, base: Any, user: Any) -> str:
        names = FIELDS[collection]
        if kind == "limit":
            return f"_limit={self.random.randrange(1, 4)}"
        if kind == "since":
            name = self.random.choice(("_since", "_before", "min_last_modified"))
            return f"{name}={self._stamp(base, user)}"
        if kind in ("sort", "fields"):
            chosen = self.random.sample(names, self.random.randrange(1, len(names) + 1))
            signs = ("", "-") if kind == "sort" else ("",)
            text = ",".join(self.random.choice(signs) + name for name in chosen)
            return f"_{kind}={quote(text)}"
        prefix = self.random.choice(PREFIXES) if kind == "prefix" else ""
        return f"{quote(prefix + self.random.choice(names))}={quote(self._operand(prefix))}"

    def _operand(self, prefix: Any) -> Any:
        if prefix == "has_":
            return self.random.choice(("true", "false"))
        made = [values.value(self.random) for _ in range(2)]
        if prefix.startswith("contains"):
            return json.dumps(made)
        texts = [item if isinstance(item, str) else json.dumps(item) for item in made]
        return ",".join(texts) if prefix in ("in_", "exclude_") else texts[0]

    def page(self) -> Any:
        pages = self.transcript.pages
        if not pages:
            return self.listing()
        rank = len(pages) - 1
        return self._step("GET", f"@next::{rank}@", self.transcript.page_users[rank])

    def clearing(self) -> Any:
        collection, user, base = self._place()
        query = self._query(collection, base, user)
        # A few, so that something is left to list.
        return self._step("DELETE", f"{base}?{query}&_limit=2" if query else base, user)

    def malformed(self) -> Any:
        _, user, base = self._place()
        kind = self.random.choice(("body", "body", "query", "condition", "id", "type", "method"))
        if kind == "body":
            method = self.random.choice(("POST", "PUT", "PATCH"))
            url = base if method == "POST" else f"{base}/{self._id(base, user)}"
            return self._step(method, url, user, self.random.choice(values.BROKEN_BODIES))
        if kind == "query":
            return self._step("GET", f"{base}?{self.random.choice(values.BROKEN_QUERIES)}", user)
        if kind == "condition":
            name = self.random.choice(("If-Match", "If-None-Match"))
            headers = {name: self.random.choice(values.BROKEN_CONDITIONS)}
            return self._step("GET", base, user, headers=headers)
        if kind == "id":
            return self._step("GET", f"{base}/{self.random.choice(values.BROKEN_IDS)}", user)
        if kind == "type":
            return self._step("POST", base, user, "{}", {"Content-Type": "text/plain"})
        return self._step("PUT", base, user, {"data": {}})

    def batch(self) -> Any:
        user = self.random.choice(USERS)
        made = []
        while len(made) < 4:
            step = self.random.choice((self.write, self.write, self.listing, self.record))()
            made.append(step._replace(user=user))
        entries = [
            {
                "method": step.method,
                "path": step.url.removeprefix("/v0"),
                "headers": step.headers,
                **({} if step.body is None else {"body": json.loads(step.body)}),
            }
            for step in made
        ]
        parts = tuple(step.url for step in made)
        return self._step("POST", "/v0/batch", user, {"requests": entries}, parts=parts)
