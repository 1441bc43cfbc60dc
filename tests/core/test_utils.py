"""Pure helpers that applications import from ``cliquet.utils``."""

from __future__ import annotations

import ast
import copy
import json
import time
import warnings
from typing import Any

import colander
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cliquet import utils
from cliquet.core import literals
from cliquet.storage.ordering import resolve
from cliquet.storage.query import COMPARISON

# Text and values


@pytest.mark.clause("P-26.1")
def test_strip_whitespace_strips_both_ends() -> None:
    assert utils.strip_whitespace(" \t\r\n a b \n") == "a b"
    assert utils.strip_whitespace("\xa0a\x0b") == "\xa0a\x0b"


@pytest.mark.clause("P-26.1")
def test_strip_whitespace_returns_null_as_is() -> None:
    assert utils.strip_whitespace(colander.null) is colander.null


@pytest.mark.clause("P-26.2")
def test_msec_time_is_whole_milliseconds_rounded_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_445_000_000_123_999_999)

    assert utils.msec_time() == 1_445_000_000_123


@pytest.mark.clause("P-26.3")
def test_classname_is_the_lower_cased_class() -> None:
    class FooBar:
        pass

    assert utils.classname(FooBar()) == "foobar"


@pytest.mark.clause("P-26.5")
def test_random_bytes_hex_has_two_digits_for_each_byte() -> None:
    text = utils.random_bytes_hex(16)

    assert len(text) == 32
    assert set(text) <= set("0123456789abcdef")
    assert text != utils.random_bytes_hex(16)


@pytest.mark.clause("S-2.1", "P-26.6", "H-12.8")
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", True),
        ("TRUE", True),
        ("yes", True),
        ("off", False),
        ("False", False),
        ("nO", False),
        ("7", 7),
        ("-1", -1),
        ("+1", 1),
        ("0", 0),
        ("-0", 0),
        ("00", 0),
        ("0x1F", 31),
        ("0o17", 15),
        ("0b101", 5),
        ("9223372036854775808", 9223372036854775808),
        ("3.14", 3.14),
        (".5", 0.5),
        ("5.", 5.0),
        ("1e3", 1000.0),
        ("-1.5E-3", -0.0015),
        (" 7 ", 7),
        ('"1"', "1"),
        ("'1'", "1"),
        ('""', ""),
        ("u'é'", "é"),
        (r"r'a\n'", "a\\n"),
        ('"""a "b" c"""', 'a "b" c'),
        ("'''a'b'''", "a'b"),
        (r'"a\tb\x41\u00e9\U0001F600\101\N{BULLET}\'\""', "a\tbA\xe9\U0001f600A\u2022'\""),
        ('"a\\\nb"', "ab"),
        (r'"C:\dir"', "C:\\dir"),
        ("None", None),
        ("[1]", [1]),
        ("[]", []),
        ("[1, 'a', None, True,]", [1, "a", None, True]),
        ('{"a": 1}', {"a": 1}),
        ("{}", {}),
        ("{1: {2: (3,)},}", {1: {2: (3,)}}),
        ("(1,2)", (1, 2)),
        ("(1)", 1),
        ("(1,)", (1,)),
        ("()", ()),
        ("1,2", (1, 2)),
        ("1,", (1,)),
        ("[1],2", ([1], 2)),
    ],
)
def test_native_value_of_words_and_literals(text: str, value: object) -> None:
    converted = utils.native_value(text)

    assert converted == value
    assert type(converted) is type(value)


@pytest.mark.clause("S-2.1", "S-2.2", "H-12.8", "D-18", "S-23.6", "P-34.23", "P-26.6")
@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "abc",
        "null",
        "none",
        "1.2.3",
        "01",
        "-01",
        "1_000",
        "[1_0]",
        "0x",
        "12abc",
        "\uff11\uff12",
        "2015-10-22",
        "1-1",
        "1+1",
        "1 - 1",
        "--1",
        "2**99",
        "1+2j",
        "1j",
        "a,b",
        "1,a",
        ",",
        "1,,2",
        "1 2",
        "system.Everyone",
        "1e999",
        "-1e999",
        "[1e999]",
        "nan",
        "inf",
        "9" * 5000,
        "...",
        "b'x'",
        "f'x'",
        "{1}",
        "{1, 2}",
        "set()",
        "{[]: 1}",
        "{1: 2",
        "{1 2}",
        "{1: 2 3}",
        "{1: }",
        "{:}",
        "{**{}}",
        "[1",
        "(1",
        "1)",
        "]",
        ":",
        "[1:2]",
        "'a",
        "'a\nb'",
        '"a" "b"',
        "'''a",
        r"'\x1'",
        r"'\u12'",
        r"'\ud800'",
        r"'\U00110000'",
        r"'\N{no such thing}'",
        r"'\N'",
        "10 # ten",
        "NoneType",
        "None1",
        "(" * 500,
        "(" * 500 + "1" + ")" * 500,
        "[" * 51 + "]" * 51,
        "lambda: 1",
        "__import__('os')",
        "\ud800",
        "'\x00",
    ],
)
def test_native_value_leaves_other_text_unchanged(text: str) -> None:
    assert utils.native_value(text) is text


@pytest.mark.clause("S-23.6")
def test_native_value_reads_moderate_nesting() -> None:
    text = "[" * literals.MAX_DEPTH + "]" * literals.MAX_DEPTH

    assert isinstance(utils.native_value(text), list)


@pytest.mark.clause("P-26.6")
@pytest.mark.parametrize("value", [None, 3, 1.5, ["1"], b"1", True])
def test_native_value_leaves_other_types_unchanged(value: object) -> None:
    assert utils.native_value(value) is value


@pytest.mark.clause("S-23.6", "D-18", "P-34.23")
@given(
    st.one_of(
        st.text(),
        st.text(alphabet="0123456789-+.eExX_ju'\"\\{}[](),: \n\x00NoneTruabr#\ud800"),
        st.text(alphabet="()[]{}", min_size=50),
    )
)
@example("{}" * 100)
def test_native_value_never_raises_and_gives_data_only(text: str) -> None:
    def is_data(value: Any) -> bool:
        if isinstance(value, (list, tuple)):
            return all(map(is_data, value))
        if isinstance(value, dict):
            return all(map(is_data, value)) and all(map(is_data, value.values()))
        if isinstance(value, float):
            return value - value == 0
        return value is None or isinstance(value, (bool, int, str))

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        value = utils.native_value(text)

    assert is_data(value)
    assert caught == []


LITERALS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(alphabet=st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text("abc'\"\\\n"), inner)
    ),
    max_leaves=20,
)


@pytest.mark.clause("S-2.1")
@given(LITERALS)
def test_literals_are_read_as_the_language_does(value: object) -> None:
    text = repr(value)

    assert literals.read_literal(text) == ast.literal_eval(text) == value


@pytest.mark.clause("P-26.8")
def test_base64_of_text_and_back() -> None:
    assert utils.encode64("héllo") == "aMOpbGxv"
    assert utils.encode64(b"\xff") == "/w=="
    assert utils.decode64("aMOpbGxv") == "héllo"
    assert utils.decode64(utils.encode64("é", encoding="latin-1"), encoding="latin-1") == "é"


@pytest.mark.clause("P-26.8")
@pytest.mark.parametrize("text", ["YQY", "a", "é", "/w=="])
def test_decoding_what_is_no_base64_of_text_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"base64|padding|ASCII|decode"):
        utils.decode64(text)


@pytest.mark.clause("P-26.9")
@pytest.mark.parametrize("secret", ["blah", b"blah"])
def test_hmac_digest_is_hexadecimal_sha256(secret: str | bytes) -> None:
    digest = utils.hmac_digest(secret, "input data")

    assert digest.startswith("d4f5c51db246c7faeb42240545b47274b6")
    assert len(digest) == 64


@pytest.mark.clause("P-26.15", "P-35.10")
@pytest.mark.parametrize(("value", "text"), [("é", "é"), ("é".encode(), "é"), (b"\xff", "\xff")])
def test_headers_are_text_from_text_or_bytes(value: str | bytes, text: str) -> None:
    assert utils.encode_header(value) == text
    assert utils.decode_header(value) == text


@pytest.mark.clause("P-26.15")
def test_encode_header_leaves_other_types_unchanged() -> None:
    assert utils.encode_header(30) == 30
    assert utils.encode_header(None) is None


@pytest.mark.clause("P-26.16")
def test_decode_header_uses_the_encoding() -> None:
    assert utils.decode_header(b"\xe9", encoding="latin-1") == "é"


@pytest.mark.clause("P-26.17", "P-34.9")
@pytest.mark.parametrize(
    ("path", "stripped"),
    [
        ("/v1/a", "/a"),
        ("/v12/a/v1", "/a/v1"),
        ("/v1/", "/"),
        ("/v1", ""),
        ("/v1?a=b", "?a=b"),
        ("/v1a/b", "/v1a/b"),
        ("/v1beta", "/v1beta"),
        ("/v/a", "/v/a"),
        ("/v\uff11/a", "/v\uff11/a"),
        ("/a/v1", "/a/v1"),
        ("v1/a", "v1/a"),
        ("/v1\n", "/v1\n"),
    ],
)
def test_strip_uri_prefix_removes_a_complete_version_segment(path: str, stripped: str) -> None:
    assert utils.strip_uri_prefix(path) == stripped


# Dictionaries


@pytest.mark.clause("P-26.4")
def test_merge_dicts_completes_in_place_without_overwriting() -> None:
    target: dict[str, Any] = {"a": 1, "nested": {"x": 1}}

    result: Any = utils.merge_dicts(target, {"a": 2, "b": 3, "nested": {"x": 2, "y": 3}})  # type: ignore[func-returns-value]

    assert result is None
    assert target == {"a": 1, "b": 3, "nested": {"x": 1, "y": 3}}


@pytest.mark.clause("P-34.8", "P-26.4")
@pytest.mark.parametrize(
    ("target", "defaults"),
    [
        ({"body": 3}, {"body": {"x": 1}}),
        ({"body": {"x": 1}}, {"body": 3}),
        ({"b": None}, {"b": {}}),
    ],
)
def test_merge_dicts_keeps_what_is_there_whatever_its_type(
    target: dict[str, Any], defaults: dict[str, Any]
) -> None:
    before = copy.deepcopy(target)

    utils.merge_dicts(target, defaults)

    assert target == before


@pytest.mark.clause("P-26.4")
def test_merge_dicts_shares_nothing_between_targets() -> None:
    defaults: dict[str, Any] = {"headers": {"a": ["1"]}}
    first: dict[str, Any] = {}
    utils.merge_dicts(first, defaults)

    first["headers"]["a"].append("2")

    assert defaults == {"headers": {"a": ["1"]}}


@pytest.mark.clause("P-26.10", "H-15.2", "D-33", "P-34.7")
@pytest.mark.parametrize(
    ("keys", "subset"),
    [
        ([], {}),
        (["a"], {"a": 1}),
        (["a", "a"], {"a": 1}),
        (["unknown", "un.known"], {}),
        (["b.d"], {"b": {"d": {"e": 1, "f": 2}}}),
        (["b.d.e", "b.d.f"], {"b": {"d": {"e": 1, "f": 2}}}),
        (["b.d.f", "b.c"], {"b": {"c": 0, "d": {"f": 2}}}),
        (["b.zz"], {"b": {}}),
        (["b.d.zz.y"], {"b": {"d": {}}}),
        (["b."], {"b": {}}),
        (["a.x", "a.x.y"], {"a": 1}),
        (["n.x"], {"n": None}),
        (["l.0"], {"l": [1]}),
        (["b.d.e.x"], {"b": {"d": {"e": 1}}}),
        (["b.d.e", "b.d"], {"b": {"d": {"e": 1, "f": 2}}}),
        (["b.d", "b.d.e"], {"b": {"d": {"e": 1, "f": 2}}}),
        ([".a", "."], {}),
    ],
)
def test_dict_subset_selects_members(keys: list[str], subset: dict[str, Any]) -> None:
    source = {"a": 1, "b": {"c": 0, "d": {"e": 1, "f": 2}}, "n": None, "l": [1]}
    before = copy.deepcopy(source)

    assert utils.dict_subset(source, keys) == subset
    assert source == before


@pytest.mark.clause("B-21.13", "P-26.10")
def test_dict_subset_prefers_a_member_whose_name_has_dots() -> None:
    source = {"a.b": 1, "a": {"b": 2, "c": 3}}

    assert utils.dict_subset(source, ["a.b", "a.c"]) == {"a.b": 1, "a": {"c": 3}}


@pytest.mark.clause("B-21.13")
@pytest.mark.parametrize(
    ("source", "path"),
    [({"a.b": 1, "a": {"b": 2}}, "a.b"), ({"a": {"b.c": 1, "b": {"c": 2}}}, "a.b.c")],
)
def test_dict_subset_reads_paths_as_filters_do(source: dict[str, Any], path: str) -> None:
    assert utils.dict_subset(source, [path]) == (
        {path: 1} if path in source else {"a": {"b": {"c": resolve(source, path)}}}
    )


@pytest.mark.clause("P-34.7")
@pytest.mark.parametrize("keys", [["b", "b.d"], ["b.d", "b"]])
def test_dict_subset_keeps_a_whole_member_whole(keys: list[str]) -> None:
    source = {"b": {"c": 0, "d": 1}}

    assert utils.dict_subset(source, keys) == source


# Environment


@pytest.mark.clause("P-26.7", "S-1.4")
def test_read_env_prefers_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIQUET_MY_PLUGIN_SIZE", "10")

    assert utils.read_env("cliquet.my-plugin.size", "3") == 10


@pytest.mark.clause("P-26.7")
def test_read_env_coerces_the_given_value_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLIQUET_SIZE", raising=False)

    assert utils.read_env("cliquet.size", "3") == 3
    assert utils.read_env("cliquet.size", None) is None


# JSON


@pytest.mark.clause("P-26.24")
def test_json_serializer_gives_text_with_plain_slashes() -> None:
    assert utils.json_serializer({"url": "http://a/é"}) == '{"url":"http://a/é"}'


@pytest.mark.clause("P-26.24")
def test_json_serializer_takes_the_arguments_of_renderers() -> None:
    class Thing:
        pass

    def default(item: Any) -> Any:
        if isinstance(item, Thing):
            return "thing"
        raise TypeError

    text = utils.json_serializer([Thing(), {1}], default=default, separators=(", ", ": "))

    assert text == '["thing",[1]]'


@pytest.mark.clause("P-26.24")
def test_json_is_usable_like_the_standard_module() -> None:
    assert utils.json.dumps({"b": "/", "a": [1]}) == '{"b":"/","a":[1]}'
    assert utils.json.dumps({"b": 1, "a": 2}, sort_keys=True) == '{"a": 2, "b": 1}'
    assert utils.json.dumps({"é": 1}, indent=1) == '{\n "é": 1\n}'
    assert utils.json.loads('{"n": 123456789012345678901234567890}') == {
        "n": 123456789012345678901234567890
    }
    assert utils.json.loads(b"[1]") == [1]
    assert utils.json.JSONDecodeError is json.JSONDecodeError
    with pytest.raises(ValueError, match="line 1 column 2"):
        utils.json.loads("{'foo>}")


# Names that live elsewhere


@pytest.mark.clause("P-26.11")
def test_comparison_is_reachable_here() -> None:
    assert utils.COMPARISON is COMPARISON
    assert "COMPARISON" in dir(utils)


@pytest.mark.clause("P-26.25")
def test_sqlalchemy_is_the_module_or_none() -> None:
    try:
        import sqlalchemy
    except ImportError:
        sqlalchemy = None  # type: ignore[assignment]

    assert utils.sqlalchemy is sqlalchemy


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_helper"):
        _ = utils.no_such_helper


# Deprecations


@pytest.mark.clause("P-26.23")
def test_deriving_from_a_deprecated_class_warns_at_the_class_statement() -> None:
    class Old(metaclass=utils.DeprecatedMeta):
        __deprecation_warning__ = "Old is deprecated. Use New instead."

    with pytest.warns(DeprecationWarning, match="Use New instead") as caught:

        class Mine(dict[str, str], Old):
            pass

    assert [warning.filename for warning in caught] == [__file__]
    assert isinstance(Mine(), Old)


@pytest.mark.clause("P-26.23")
def test_defining_the_deprecated_class_itself_does_not_warn() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")

        class Old(metaclass=utils.DeprecatedMeta):
            __deprecation_warning__ = "Old is deprecated."

    assert caught == []
    assert Old.__deprecation_warning__ == "Old is deprecated."
