"""Patterns of object ids and parent ids."""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cliquet.core.globs import (
    Exact,
    Pattern,
    after_prefix,
    as_published,
    compile_pattern,
    exact,
    is_pattern,
    literals_of,
)

PIECES = st.text(alphabet="ab/.\n", max_size=6)
PATTERNS = st.text(alphabet="ab/.*\n", max_size=8)


@pytest.mark.clause("B-15.11", "B-15.12")
@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("*", "", True),
        ("*", "/a/b\nc", True),
        ("**", "a", True),
        ("/a/*", "/a/", True),
        ("/a/*", "/a/b/c", True),
        ("/a/*", "/a", False),
        ("/a/*", "x/a/b", False),
        ("*/c", "/a/b/c", True),
        ("*/c", "/a/b/cd", False),
        ("/a/*/c", "/a/b/c", True),
        ("/a/*/c", "/a//c", True),
        ("/a/*/c", "/a/c", False),
        ("ab*ba", "aba", False),
        ("ab*ba", "abba", True),
        ("a*b*c", "a-b-c", True),
        ("a*b*c", "a-c-b-c", True),
        ("a*b*c", "a-c-c", False),
        ("*ab*ab*", "abab", True),
        ("*ab*ab*", "aba", False),
        ("a*aa*a", "aaa", False),
    ],
)
def test_star_is_any_run_of_characters_in_a_match_of_the_whole_text(
    pattern: str, text: str, expected: bool
) -> None:
    assert compile_pattern(Pattern(pattern))(text) is expected


@pytest.mark.clause("B-15.12", "B-22.41", "B-22.43")
@pytest.mark.parametrize("character", list(".?+[]()|^$\\_%{}#'\""))
def test_every_other_character_is_literal(character: str) -> None:
    assert compile_pattern(Pattern(f"/a{character}b*"))(f"/a{character}b/1")
    assert not compile_pattern(Pattern(f"/a{character}b*"))("/axb/1")
    assert not compile_pattern(Pattern(f"/a{character}b*"))("/ab/1")


@pytest.mark.clause("B-15.12")
def test_text_without_star_matches_itself_only() -> None:
    matches = compile_pattern("/a/1")
    assert [text for text in ("/a/1", "/a/10", "/a/", "x/a/1", "/a/1\n") if matches(text)] == [
        "/a/1"
    ]


@pytest.mark.clause("B-15.12")
@given(PATTERNS, st.text(alphabet="ab/.\n", max_size=12))
def test_match_is_that_of_the_obvious_regular_expression(pattern: str, text: str) -> None:
    expression = ".*".join(re.escape(part) for part in pattern.split("*"))
    expected = re.fullmatch(expression, text, re.DOTALL) is not None
    assert compile_pattern(Pattern(pattern))(text) is expected


@pytest.mark.clause("B-15.12")
@given(st.lists(PIECES, min_size=2), st.data())
def test_star_may_be_replaced_by_anything(pieces: list[str], data: st.DataObject) -> None:
    text = pieces[0] + "".join(data.draw(PIECES) + piece for piece in pieces[1:])
    assert compile_pattern(Pattern("*".join(pieces)))(text)


@pytest.mark.clause("B-15.12")
def test_chain_of_stars_ends() -> None:
    # A regular expression would need longer than the age of the universe.
    assert not compile_pattern(Pattern("*a" * 200 + "b"))("a" * 2000)


@pytest.mark.clause("B-21.36")
@pytest.mark.parametrize(("text", "expected"), [("/a/*", True), ("/a/1", False), ("?[.%_", False)])
def test_only_a_star_makes_a_pattern(text: str, expected: bool) -> None:
    assert is_pattern(Pattern(text)) is expected
    assert is_pattern(as_published(text)) is expected


@pytest.mark.clause("X-29")
@pytest.mark.parametrize("text", ["*", "remote:*", "/a*b/*"])
@pytest.mark.parametrize("kind", [str, Exact, exact])
def test_text_is_no_pattern_for_what_it_holds(text: str, kind: Callable[[str], str]) -> None:
    matches = compile_pattern(kind(text))

    assert not is_pattern(kind(text))
    assert not is_pattern(as_published(Exact(text)))
    assert matches(text)
    assert not matches(text.replace("*", "x"))


@pytest.mark.clause("X-29")
@pytest.mark.parametrize("text", ["*", "/a/*", "/a/1"])
def test_types_are_texts_and_kept_by_copies(text: str) -> None:
    for made in (Exact(text), Pattern(text)):
        assert made == text
        assert hash(made) == hash(text)
        assert exact(made) is as_published(made) is made
        for copied in (copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
            assert type(copied) is type(made)
            assert literals_of(copied) == literals_of(made)
    assert Pattern(Pattern.of("*", "")).literals == ("*", "")


@pytest.mark.clause("X-29")
def test_literals_of_a_pattern_may_hold_stars() -> None:
    pattern = Pattern.of("/a*b/", "/c")
    matches = compile_pattern(pattern)

    assert pattern == "/a*b/*/c"
    assert matches("/a*b/1/c")
    assert not matches("/axb/1/c")
    assert copy.copy(pattern).literals == pickle.loads(pickle.dumps(pattern)).literals
    assert not is_pattern(Pattern.of("/a*b"))


@pytest.mark.clause("B-21.29", "B-21.30")
@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("", None),
        ("a", "b"),
        ("/a/", "/a0"),
        ("a\x7f", "a\x80"),
        ("\uffff", "\U00010000"),
        # No text has a lone surrogate.
        ("a\ud7ff", "a\ue000"),
        ("a\U0010ffff", "b"),
        ("\U0010ffff\U0010ffff", None),
    ],
)
def test_text_after_those_with_a_prefix(prefix: str, expected: str | None) -> None:
    assert after_prefix(prefix) == expected


@pytest.mark.clause("B-21.29", "B-21.30")
@given(*[st.text(alphabet=["a", "b", "\ud7ff", "\ue000", "\U0010ffff"], max_size=4)] * 2)
def test_texts_between_a_prefix_and_what_is_after_it_start_with_it(prefix: str, text: str) -> None:
    after = after_prefix(prefix)
    is_between = prefix.encode() <= text.encode() and (after is None or text < after)
    assert is_between == text.startswith(prefix)
