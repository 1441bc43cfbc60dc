"""The limit: bare Pyramid views with SQL written by hand, for this one resource and nothing else.

It does what the protocol asks of these operations (the user's id, validation, timestamps under a
lock, validators, totals, the owner's permission), and leaves out whatever is general.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
import uuid
from typing import Any

import orjson
from limit_stores import MemoryStore, PostgreSQLStore, SQLiteStore
from operations import Peer
from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPBadRequest, HTTPNotFound, HTTPUnauthorized
from pyramid.request import Request
from pyramid.response import Response

PEER = Peer(
    root="/v1/",
    collection="/v1/mushrooms",
    page_of_100="limit=100",
    sorted_page="size=3&limit=20",
    batch="/v1/batch",
)
BACKENDS = ("postgresql", "sqlite", "memory")
SECRET = b"b4c96a8692291d88fe5a97dd91846eb4"
FIELDS = {"name": str, "size": int, "edible": bool, "notes": str, "tags": list, "place": dict}

_STORES = {"postgresql": PostgreSQLStore, "sqlite": SQLiteStore, "memory": MemoryStore}


def _user(request: Request) -> str:
    kind, _, credentials = request.environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    if kind != "Basic":
        raise HTTPUnauthorized
    return hmac.new(SECRET, base64.b64decode(credentials), hashlib.sha256).hexdigest()


def _valid(data: Any, *, is_partial: bool = False) -> dict[str, Any]:
    if not isinstance(data, dict) or not data.keys() <= FIELDS.keys():
        raise HTTPBadRequest
    if not is_partial and len(data) < len(FIELDS):
        raise HTTPBadRequest
    if not all(isinstance(value, FIELDS[name]) for name, value in data.items()):
        raise HTTPBadRequest
    return data


def _answer(body: bytes, timestamp: int | None = None, status: int = 200, **more: str) -> Response:
    response = Response(body, status=status, content_type="application/json")
    if timestamp is not None:
        response.headers["ETag"] = f'"{timestamp}"'
        response.headers["Last-Modified"] = time.strftime(
            "%a, %d %b %Y %H:%M:%S GMT", time.gmtime(timestamp / 1000)
        )
    response.headers.update({name.replace("_", "-"): value for name, value in more.items()})
    return response


def _id_of(path: str) -> str:
    collection, _, record_id = path.removeprefix("/").partition("/")
    if collection != "mushrooms":
        raise HTTPBadRequest
    return record_id


def application(backend: str, url: str) -> Any:
    """Return the WSGI application."""
    store = _STORES[backend](url)

    def hello(request: Request) -> Response:
        user = _user(request)
        return _answer(orjson.dumps({"project_name": "bench", "user": {"id": user}}))

    def get(request: Request) -> Response:
        _user(request)
        found = store.get(request.matchdict["id"])
        if found is None:
            raise HTTPNotFound
        timestamp, text = found
        return _answer(b'{"data":' + text + b"}", timestamp)

    def listing(request: Request) -> Response:
        _user(request)
        asked = request.GET
        known = request.environ.get("HTTP_IF_NONE_MATCH")
        if known is not None and known == f'"{store.timestamp()}"':
            return Response(status=304)
        size = asked.get("size")
        timestamp, total, texts = store.page(
            int(asked["limit"]) if "limit" in asked else None, None if size is None else int(size)
        )
        body = b'{"data":[' + b",".join(texts) + b"]}"
        return _answer(body, timestamp, Total_Records=str(total))

    def create(request: Request) -> Response:
        user = _user(request)
        data = _valid(orjson.loads(request.body)["data"])
        record = {**data, "id": str(uuid.uuid4())}
        (timestamp,) = store.create(user, [record])
        return _answer(
            orjson.dumps({"data": {**record, "last_modified": timestamp}}), timestamp, 201
        )

    def replace(request: Request) -> Response:
        _user(request)
        record = {**_valid(orjson.loads(request.body)["data"]), "id": request.matchdict["id"]}
        timestamp = store.replace(record)
        return _answer(orjson.dumps({"data": {**record, "last_modified": timestamp}}), timestamp)

    def merge(request: Request) -> Response:
        _user(request)
        changes = _valid(orjson.loads(request.body)["data"], is_partial=True)
        timestamp, text = store.merge(request.matchdict["id"], changes)
        return _answer(b'{"data":' + text + b"}", timestamp)

    def batch(request: Request) -> Response:
        user = _user(request)
        parts = orjson.loads(request.body)["requests"]
        method = parts[0]["method"]
        if any(part["method"] != method for part in parts):
            raise HTTPBadRequest
        ids = [_id_of(part["path"]) for part in parts]
        bodies: list[Any]
        status, stamps = 200, []
        if method in ("POST", "PUT"):
            status = 201 if method == "POST" else 200
            records = [
                {**_valid(part["body"]["data"]), "id": one or str(uuid.uuid4())}
                for part, one in zip(parts, ids, strict=True)
            ]
            stamps = (store.create if method == "POST" else store.put_all)(user, records)
            bodies = [
                {"data": {**record, "last_modified": at}}
                for record, at in zip(records, stamps, strict=True)
            ]
        elif method == "DELETE":
            stamps = store.delete_all(ids)
            bodies = [
                {"data": {"id": one, "deleted": True, "last_modified": at}}
                for one, at in zip(ids, stamps, strict=True)
            ]
        else:
            if method == "PATCH":
                found = store.merge_all(
                    [
                        {**_valid(part["body"]["data"], is_partial=True), "id": one}
                        for part, one in zip(parts, ids, strict=True)
                    ]
                )
            else:
                found = store.get_all(ids)
            stamps = [at for at, _ in found]
            bodies = [{"data": orjson.Fragment(text)} for _, text in found]
        responses = [
            {
                "status": status,
                "path": f"/v1{part['path']}",
                "headers": {"ETag": f'"{at}"'},
                "body": body,
            }
            for part, at, body in zip(parts, stamps, bodies, strict=True)
        ]
        return _answer(orjson.dumps({"responses": responses}))

    config = Configurator()
    for name, pattern, method, view in (
        ("hello", "/v1/", "GET", hello),
        ("record", "/v1/mushrooms/{id}", "GET", get),
        ("collection", "/v1/mushrooms", "GET", listing),
        ("create", "/v1/mushrooms", "POST", create),
        ("replace", "/v1/mushrooms/{id}", "PUT", replace),
        ("merge", "/v1/mushrooms/{id}", "PATCH", merge),
        ("batch", "/v1/batch", "POST", batch),
    ):
        config.add_route(name, pattern, request_method=method)
        config.add_view(view, route_name=name)
    return config.make_wsgi_app()
