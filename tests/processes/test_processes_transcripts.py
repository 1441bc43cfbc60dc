"""The comparison of applications sees what differs, and nothing but that."""

import json
from typing import Any

from processes.transcripts import Step, Transcript

FIRST_ID = "0d000000-0000-4000-8000-000000000001"
OTHER_ID = "0d000000-0000-4000-8000-000000000002"
FIRST_STAMP, OTHER_STAMP = 1795480609551, 1795480609999
LISTING = Step("GET", "/v0/lichens", "mat", {})
BATCH = Step("POST", "/v0/batch", "mat", {}, "{}", ("/v0/lichens", "/v0/spores"))


def body(record_id: Any = FIRST_ID, stamp: Any = FIRST_STAMP, **members: Any) -> Any:
    return json.dumps({"data": {**members, "id": record_id, "last_modified": stamp}})


def read(
    text: Any,
    headers: Any = None,
    step: Any = LISTING,
    status: int | str = 200,
    transcript: Any = None,
) -> Any:
    return (transcript or Transcript()).read(step, status, headers or {}, text)


def test_ids_and_timestamps_make_no_difference() -> None:
    assert read(body()) == read(body(OTHER_ID, OTHER_STAMP))


def test_values_their_order_and_headers_make_a_difference() -> None:
    answers = [
        read(body(a=1, b=2)),
        read(body(a=1, b=3)),
        read(body(b=2, a=1)),
        read(body(a=1, b=2), {"Total-Records": "1"}),
        read(body(a=1, b=2), status=201),
    ]

    assert len(set(answers)) == len(answers)


def test_the_same_id_twice_differs_from_two_ids() -> None:
    once = f"[{body()}, {body()}]"
    twice = f"[{body()}, {body(OTHER_ID)}]"

    assert read(once) != read(twice)


def test_a_date_is_that_of_the_etag() -> None:
    headers = {"ETag": f'"{FIRST_STAMP}"', "Last-Modified": "Tue, 24 Nov 2026 00:36:49 GMT"}
    late = {**headers, "Last-Modified": "Tue, 24 Nov 2026 00:36:50 GMT"}

    assert read("", headers) != read("", late)
    assert "<date of the ETag>" in str(read("", headers))


def test_the_content_of_a_token_is_compared() -> None:
    def answer(text: Any) -> Any:
        # What tokens hold, without the padding that depends on the length.
        return read(body(), {"Next-Page": f"http://localhost/v0/lichens?_token={text}"})

    first, same = "eyJpZCI6IjEifQ==", "eyJpZCI6IjEifQ%3D%3D"

    assert answer(first) == answer(same)
    assert answer(first) != answer("eyJpZCI6IjIifQ==")


def test_the_same_number_in_two_collections_is_a_coincidence() -> None:
    def answer(second_stamp: Any) -> Any:
        entries = [
            {"path": path, "headers": {}, "body": {"last_modified": stamp}}
            for path, stamp in zip(BATCH.parts, (FIRST_STAMP, second_stamp), strict=True)
        ]
        return read(json.dumps({"responses": entries}, separators=(",", ":")), step=BATCH)

    assert answer(FIRST_STAMP) == answer(OTHER_STAMP)


def test_the_order_of_timestamps_is_compared() -> None:
    growing, falling = Transcript(), Transcript()
    for stamp in (FIRST_STAMP, OTHER_STAMP):
        read(body(stamp=stamp), transcript=growing)
    for stamp in (OTHER_STAMP, FIRST_STAMP):
        read(body(stamp=stamp), transcript=falling)

    assert growing.order() != falling.order()


def test_references_are_what_this_application_has_named() -> None:
    transcript = Transcript()
    read(body(OTHER_ID, OTHER_STAMP), transcript=transcript)

    assert transcript.resolve("/v0/lichens/@id::0@") == f"/v0/lichens/{OTHER_ID}"
    assert transcript.resolve('"@stamp:lichens|mat:0@"') == f'"{OTHER_STAMP}"'
    assert transcript.resolve('"@stamp:lichens|mat:0@"', in_json=True) == f"{OTHER_STAMP}"
