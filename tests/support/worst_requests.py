"""The worst requests that the limits admit, by kind: what the budget of a request is judged on."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

BODY_BYTES = 10 * 2**20
RECORD_BYTES = 2 * 2**20
VALUES = 65_536
URL_BYTES = 8190
# What waitress takes of the head of a request; other servers take less.
HEAD_BYTES = 250_000
RECORD = "d1d1d1d1-0000-4000-8000-000000000001"


class Worst(NamedTuple):
    """A request.

    Attributes
    ----------
    statuses : those that it may be answered.
    """

    method: str
    path: str
    body: bytes = b""
    headers: dict[str, str] = {}
    content_type: str = "application/json"
    statuses: tuple[int, ...] = (200,)


def dumps(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def members(number: int) -> dict[str, int]:
    return {f"k{n:06x}": n % 7 for n in range(number)}


def wide(value: Any) -> bytes:
    """Return JSON whose characters stand for themselves."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def data(value: Any) -> bytes:
    return dumps({"data": value})


def batch(item: dict[str, Any], number: int = 25) -> Worst:
    return Worst("POST", "/v0/batch", dumps({"requests": [item] * number}))


def repeated(item: dict[str, Any]) -> Worst:
    """Return a batch that says everything in its defaults."""
    return Worst("POST", "/v0/batch", dumps({"defaults": item, "requests": [{}] * 25}))


def batch_of_texts(size: int, character: str = "", status: int = 200) -> Worst:
    """Return a batch whose requests have each a text of their own, with one such character."""
    items = [
        {
            "method": "PUT",
            "path": SPORE,
            "body": {"data": {"a": "a" * (size // 25) + character + f"{n}"}},
        }
        for n in range(25)
    ]
    return Worst("POST", "/v0/batch", wide({"requests": items}), statuses=(status,))


TEXT = "a" * (RECORD_BYTES - 100)
NUMBERS = "1234567890123456.5"
MANY = list(range(VALUES - 20))
FILTERS = "&".join(f"not_f{n}=1" for n in range(99))
LONG_PATH = ".".join("a" * 100)
LIST_URL = f"/lichens?{FILTERS}"
PATCH_TYPE = "application/json-patch+json"
SPORE = f"/v0/spores/{RECORD}"
# One with as many members as there may be.
CROWDED = "/v0/spores/d1d1d1d1-0000-4000-8000-000000000002"

# Functions that make them: bodies of many megabytes are for the tests that send them only.
WORST: dict[str, Callable[[], Worst]] = {
    # Bodies of creations
    "POST of one long text": lambda: Worst(
        "POST", "/v0/spores", data({"a": TEXT}), statuses=(201,)
    ),
    # One emoji, and all of the text takes four bytes for each character.
    "PUT of a wide text": lambda: Worst("PUT", SPORE, wide({"data": {"a": TEXT[10:] + "😀"}})),
    "PUT of another wide text": lambda: Worst(
        "PUT", SPORE, wide({"data": {"a": TEXT[10:] + "😀"}})
    ),
    "GET of a wide text": lambda: Worst("GET", SPORE),
    "PATCH of a wide text": lambda: Worst("PATCH", SPORE, wide({"data": {"a": TEXT[20:] + "😀"}})),
    "POST of a body that is no record": lambda: Worst(
        "POST", "/v0/spores", data({"a": "a" * (BODY_BYTES - 100)}), statuses=(413,)
    ),
    "POST of a long text that is dropped": lambda: Worst(
        "POST",
        "/v0/mushrooms",
        data({"name": "a", "b": "a" * (BODY_BYTES - 100)}),
        statuses=(201,),
    ),
    "POST of many texts": lambda: Worst(
        "POST", "/v0/spores", data({"a": ["é" * 13] * (VALUES - 20)}), statuses=(201,)
    ),
    "PUT of many members": lambda: Worst("PUT", SPORE, data(members(VALUES - 20))),
    "PUT of many objects": lambda: Worst(
        "PUT", SPORE, data({"a": [{"é": 1}] * (VALUES // 2 - 20)})
    ),
    "PUT of many arrays": lambda: Worst("PUT", SPORE, data({"a": [[]] * (VALUES // 2 - 20)})),
    "PUT of long numbers": lambda: Worst(
        "PUT", SPORE, b'{"data":{"a":[' + b",".join([NUMBERS.encode()] * (VALUES - 20)) + b"]}}"
    ),
    "POST of unknown members": lambda: Worst(
        "POST", "/v0/mushrooms", dumps(members(VALUES - 20)), statuses=(400,)
    ),
    "POST of brackets": lambda: Worst("POST", "/v0/spores", b"[" * BODY_BYTES, statuses=(400,)),
    "POST of commas": lambda: Worst(
        "POST", "/v0/spores", b"[" + b"1," * (BODY_BYTES // 2 - 1), statuses=(400,)
    ),
    "POST of closing brackets": lambda: Worst(
        "POST", "/v0/spores", b"[]" * 101 + b"]" * (BODY_BYTES - 202), statuses=(400,)
    ),
    "POST of empty texts": lambda: Worst(
        "POST", "/v0/spores", wide("é") + b'""' * (BODY_BYTES // 2 - 10), statuses=(400,)
    ),
    "POST of escapes": lambda: Worst(
        "POST",
        "/v0/spores",
        b'{"data":{"a":"' + b"\\u0000" * (BODY_BYTES // 6 - 10) + b'"}}',
        statuses=(400,),
    ),
    "POST of principals": lambda: Worst(
        "POST",
        "/v0/boletes",
        dumps({"permissions": {"read": [f"user:{n}" for n in range(990)]}}),
        statuses=(201,),
    ),
    "POST of too many principals": lambda: Worst(
        "POST", "/v0/boletes", dumps({"permissions": {"read": MANY}}), statuses=(400,)
    ),
    # Patches
    "PATCH of many members": lambda: Worst("PATCH", SPORE, data(members(VALUES - 20))),
    "merge patch of many members": lambda: Worst(
        "PATCH", SPORE, dumps(members(VALUES - 20)), content_type="application/merge-patch+json"
    ),
    "merge patch that removes many members": lambda: Worst(
        "PATCH",
        CROWDED,
        dumps(dict.fromkeys(members(VALUES - 20))),
        content_type="application/merge-patch+json",
    ),
    "JSON patch of escapes": lambda: Worst(
        "PATCH",
        SPORE,
        dumps([{"op": "add", "path": "/data/" + "~1" * 5_000, "value": 1}] * 990),
        content_type=PATCH_TYPE,
        statuses=(400,),
    ),
    "JSON patch that doubles": lambda: Worst(
        "PATCH",
        SPORE,
        dumps(
            [{"op": "add", "path": "/data/a", "value": [[]] * 1000}]
            + [{"op": "copy", "from": "/data/a", "path": "/data/a/0"}] * 999
        ),
        content_type=PATCH_TYPE,
        statuses=(400,),
    ),
    "JSON patch of long paths": lambda: Worst(
        "PATCH",
        SPORE,
        dumps([{"op": "add", "path": "/a" * 5_000, "value": 1}] * 1000),
        content_type=PATCH_TYPE,
        statuses=(400,),
    ),
    "JSON patch of tests": lambda: Worst(
        "PATCH",
        SPORE,
        dumps(
            [{"op": "add", "path": "/data/a", "value": [1] * 15_000}]
            + [{"op": "test", "path": "/data/a", "value": [1] * 50}] * 900
        ),
        content_type=PATCH_TYPE,
        statuses=(400,),
    ),
    # Query strings
    "GET with many filters": lambda: Worst("GET", f"/v0{LIST_URL}"),
    "GET with many values": lambda: Worst(
        "GET", "/v0/lichens?in_id=" + ",".join(["a" * 200] * 1000)
    ),
    "GET with colliding values": lambda: Worst(
        "GET", "/v0/lichens?in_a=" + ",".join(str(n) for n in range(1000))
    ),
    "GET with colliding keys": lambda: Worst(
        "GET", "/v0/lichens?a={" + ",".join(f"{n * (2**61 - 1)}:0" for n in range(9_000)) + "}"
    ),
    "GET with a deep name": lambda: Worst("GET", f"/v0/lichens?not_{LONG_PATH}=1"),
    "GET with nested names": lambda: Worst(
        "GET", "/v0/lichens?" + "&".join(f"not_{'a.' * n}a=1" for n in range(14))
    ),
    "GET with deep names": lambda: Worst(
        "GET", "/v0/lichens?" + "&".join([f"not_{LONG_PATH}=1"] * 100), statuses=(400,)
    ),
    "GET with many stars": lambda: Worst("GET", "/v0/lichens?like_a=" + "*a" * 4_095),
    "GET with too many stars": lambda: Worst(
        "GET", "/v0/lichens?like_a=" + "*a" * 100_000, statuses=(400,)
    ),
    "GET with a long order": lambda: Worst(
        "GET", "/v0/lichens?_sort=" + ",".join(f"{'-' * (n % 2)}f{n}" for n in range(64))
    ),
    "GET with many fields": lambda: Worst(
        "GET", "/v0/lichens?_fields=" + ",".join(f"f{n}" for n in range(250))
    ),
    "GET with a deep literal": lambda: Worst(
        "GET", "/v0/lichens?a=" + "[" * 50 + "1," * 120_000, statuses=(200, 400)
    ),
    "GET with many parameters": lambda: Worst("GET", "/v0/?" + "&".join(["a"] * 1000)),
    "GET with too many parameters": lambda: Worst(
        "GET", "/v0/?" + "&".join(["a"] * 62_000), statuses=(400,)
    ),
    "GET of a long path": lambda: Worst("GET", "/v0/" + "%C3%A9" * 40_000, statuses=(404,)),
    "DELETE with many filters": lambda: Worst("DELETE", f"/v0{LIST_URL}&a=none"),
    # Headers
    "Accept": lambda: Worst(
        "GET", "/v0/lichens", headers={"Accept": "a/b;q=0.1, " * 22_000 + "*/*"}, statuses=(431,)
    ),
    "Accept of one type": lambda: Worst(
        "GET", "/v0/lichens", headers={"Accept": "a/b" + ";c=d" * 60_000}, statuses=(431,)
    ),
    "Accept-Language": lambda: Worst(
        "GET", "/v0/lichens", headers={"Accept-Language": "a, " * 80_000}
    ),
    "If-None-Match": lambda: Worst(
        "GET", "/v0/lichens", headers={"If-None-Match": '"1", ' * 50_000}, statuses=(400,)
    ),
    "Authorization": lambda: Worst(
        "GET", "/v0/lichens", headers={"Authorization": "Basic " + "YTph" * 60_000}
    ),
    "User-Agent": lambda: Worst("GET", "/v0/lichens", headers={"User-Agent": "a" * HEAD_BYTES}),
    "Origin": lambda: Worst("GET", "/v0/lichens", headers={"Origin": "a" * HEAD_BYTES}),
    "preflight": lambda: Worst(
        "OPTIONS",
        "/v0/spores",
        headers={
            "Origin": "https://example.com",
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": ",".join(f"x{n}" for n in range(40_000)),
        },
    ),
    # Batches
    "batch of too many requests": lambda: Worst(
        "POST",
        "/v0/batch",
        dumps({"defaults": {"body": {"a": ["b"] * 9_000}}, "requests": [{}] * 3_000}),
        statuses=(400,),
    ),
    "batch of long texts": lambda: repeated(
        {"method": "PUT", "path": SPORE, "body": {"data": {"a": "a" * 400_000}}}
    ),
    "batch of texts": lambda: batch_of_texts(BODY_BYTES - 5000),
    "batch of fairly wide texts": lambda: batch_of_texts(BODY_BYTES // 2 - 5000, "€"),
    "batch of wide texts": lambda: batch_of_texts(BODY_BYTES // 4 - 5000, "😀"),
    "batch of texts that are too wide": lambda: batch_of_texts(BODY_BYTES - 5000, "😀", 400),
    "POST of brackets and escapes": lambda: Worst(
        "POST",
        "/v0/spores",
        b'{"data":{"a":[' + b"[]," * 200 + b'"' + b"\\n" * (BODY_BYTES // 2 - 500) + b'"]}}',
        statuses=(413,),
    ),
    "POST of a wide escape": lambda: Worst(
        "POST",
        "/v0/mushrooms",
        b'{"data":{"a":"' + b"a" * (BODY_BYTES - 100) + b'\\ud83d\\ude00"}}',
        statuses=(400,),
    ),
    "batch that reads wide texts": lambda: batch({"path": SPORE}),
    "batch of many members": lambda: repeated(
        {"method": "PUT", "path": SPORE, "body": {"data": members(2_600)}}
    ),
    "batch of long lists": lambda: batch({"path": "/lichens"}),
    "batch of filters": lambda: batch({"path": LIST_URL}),
    "batch of long URLs": lambda: batch({"path": "/lichens?in_id=" + "a," * 999}),
    "batch of overlong URLs": lambda: batch({"path": "/" + "é" * 30_000}),
    "batch of long headers": lambda: batch(
        {"path": "/lichens", "headers": {f"x-{n}": "a" * 4_000 for n in range(100)}}
    ),
    "batch of faults": lambda: Worst(
        "POST", "/v0/batch", dumps({"requests": [{"path": MANY[:3_900]}] * 25}), statuses=(400,)
    ),
}
