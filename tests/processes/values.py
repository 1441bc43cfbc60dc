"""Generated values: what records hold, and what clients send by mistake."""

from typing import Any

TEXTS = (
    "",
    "a",
    "b",
    "B",
    "é",
    "ß",
    "ss",
    "10",
    "9",
    "true",
    "\U0001f344",
    "a b",
    'q"\\/',
    "\x7f\t",
)
NUMBERS = (0, 1, -5, 9, 10, 0.5, -2.75, 1e-7, 2**53, 2**63 - 1, -(2**63))
NAMES = ("n", "title", "a", "é", "longer name", "x.y", "", "number", "address", "is_wild")

# Each is refused; most of them wherever they are sent.
BROKEN_BODIES = (
    "",
    "{",
    "[]",
    "null",
    '"text"',
    "{}",
    '{"data": []}',
    '{"data": null}',
    '{"data": "text"}',
    '{"data": {"name": "\\u0000"}}',
    '{"data": {"n": "a\\u0000b"}}',
    '{"data": {"n": "\\ud800"}}',
    '{"data": {"n": 18446744073709551616}}',
    '{"data": {"n": 1e400}}',
    '{"data": {"n": 0.1234567890123456789}}',
    '{"data": {"n": NaN}}',
    '{"data": {"n": 1}} x',
    '{"data": {"id": 5}}',
    '{"data": {"id": "not an id!"}}',
    '{"data": {"last_modified": "yesterday"}}',
    '{"data": {"last_modified": -1}}',
    '{"data": {"last_modified": 1.5}}',
    '{"data": {"name": 5, "email": {}, "code": "x", "number": "many"}}',
    '{"data": {}, "permissions": {"read": "book"}}',
    '{"data": {}, "permissions": {"create": []}}',
    '{"data": {}, "permissions": [1]}',
    '{"data": ' + '{"n":' * 300 + "1" + "}" * 300 + "}",
)
BROKEN_QUERIES = (
    "_since=yesterday",
    "_since=-1",
    "_since=99999999999999999999",
    "_limit=x",
    "_limit=-1",
    "_limit=0",
    "_sort=nothing",
    "_sort=-",
    "_fields=nothing",
    "_token=forged",
    "_token=e30=",
    "nothing=1",
    "in_id=1,2",
    "in_last_modified=a",
    "like_id=1",
    "has_n=maybe",
    "contains_n=[1",
    "_unknown=1",
    "n=%ff",
    "min_n=%00",
    "_to=0",
    "_before=0",
)
BROKEN_CONDITIONS = ("1", '"one"', "W/*", '"-1"', '"', "", '"1", "2"')
BROKEN_IDS = ("not-an-id!", "%20", "UPPER", "404404ff", "a" * 300)


def value(random: Any, depth: int = 2) -> Any:
    """Return any JSON value, but no `1.0`: it may come back as 1 (X-25)."""
    kind = random.choice("tnbztn" + ("ao" if depth else ""))
    if kind == "t":
        return random.choice(TEXTS)
    if kind == "n":
        return random.choice(NUMBERS)
    if kind == "b":
        return random.random() < 0.5
    if kind == "a":
        return [value(random, depth - 1) for _ in range(random.randrange(4))]
    if kind == "o":
        return fields(random, depth - 1)
    return None


def fields(random: Any, depth: int = 2) -> dict[Any, Any]:
    """Return members with any names and values."""
    names = random.sample(NAMES, random.randrange(5))
    return {name: value(random, depth) for name in names}


def data(random: Any, collection: Any) -> Any:
    """Return what a record of a collection may hold, valid in most cases."""
    if collection in ("lichens", "amanitas", "spores"):
        return fields(random)
    if collection == "growths":
        made = {
            "title": random.choice(TEXTS[1:]),
            "number": random.choice((0, 1, 9, 10, -5)),
            "is_wild": random.random() < 0.5,
            "address": fields(random),
        }
        return {name: made[name] for name in random.sample(sorted(made), random.randrange(5))}
    made = {"name": random.choice(("black", "white", "é"))}
    # One unique field at most: of several conflicts any may be reported (H-23.7).
    unique = random.choice(("email", "code", None)) if collection == "truffles" else "code"
    if unique == "email":
        made["email"] = f"{random.randrange(4)}@x.org"
    elif unique == "code" and random.random() < 0.5:
        code = random.randrange(4)
        made["code"] = code if collection == "truffles" else str(code)
    return made
