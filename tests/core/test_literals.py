"""What a literal may hold without costing more than its length (S-23.6, X-34)."""

from __future__ import annotations

import time

import pytest
from support.garbage import uncollected

from cliquet.core.literals import MAX_ODD_KEYS, NotALiteralError, read_literal

# Multiples of it have one and the same hash.
MODULUS = 2**61 - 1


def mapping(number: int) -> str:
    return "{" + ",".join(f"{n * MODULUS}:0" for n in range(number)) + "}"


@pytest.mark.clause("X-34")
def test_a_dictionary_has_a_hundred_keys_that_are_no_texts() -> None:
    assert len(read_literal(mapping(MAX_ODD_KEYS))) == MAX_ODD_KEYS
    with pytest.raises(NotALiteralError):
        read_literal(mapping(MAX_ODD_KEYS + 1))


@pytest.mark.clause("X-34")
@pytest.mark.parametrize(
    "text",
    [
        f"[{mapping(60)}, {mapping(60)}]",
        "{" + ",".join(f"{n}.5:0" for n in range(101)) + "}",
        "{" + ",".join(f"(1,{n}):0" for n in range(101)) + "}",
    ],
)
def test_the_keys_of_all_dictionaries_count_whatever_they_are(text: str) -> None:
    with pytest.raises(NotALiteralError):
        read_literal(text)


@pytest.mark.clause("X-34")
def test_a_dictionary_has_any_number_of_texts_for_keys() -> None:
    text = "{" + ",".join(f"'{n}':0" for n in range(1000)) + "}"

    assert len(read_literal(text)) == 1000


@pytest.mark.clause("X-34")
def test_colliding_keys_cost_no_more_than_others() -> None:
    text = mapping(20_000)
    with uncollected():
        start = time.process_time()
        with pytest.raises(NotALiteralError):
            read_literal(text)
        seconds = time.process_time() - start

    # They cost 3 s; the literal is given up after a hundred of them.
    assert seconds < 1
