"""Hosts of URLs, and the patterns of the setting ``allowed_hosts``."""

from typing import Any

import pytest

from cliquet.core import hosts

AUTHORITIES = {
    "localhost": ("localhost", ""),
    "localhost:8000": ("localhost", "8000"),
    "API.Example.COM": ("api.example.com", ""),
    "api.example.com.": ("api.example.com", ""),
    "api.example.com:": ("api.example.com", ""),
    "api.example.com:00080": ("api.example.com", "80"),
    "my_container-1:5000": ("my_container-1", "5000"),
    "xn--caf-dma.example": ("xn--caf-dma.example", ""),
    "127.0.0.1:65535": ("127.0.0.1", "65535"),
    "[::1]": ("[0000:0000:0000:0000:0000:0000:0000:0001]", ""),
    "[0:0:0:0:0:0:0:1]:80": ("[0000:0000:0000:0000:0000:0000:0000:0001]", "80"),
    "[2001:DB8::A]:8000": ("[2001:0db8:0000:0000:0000:0000:0000:000a]", "8000"),
    "[::ffff:192.0.2.1]": ("[0000:0000:0000:0000:0000:ffff:c000:0201]", ""),
    "[::FFFF:C000:201]": ("[0000:0000:0000:0000:0000:ffff:c000:0201]", ""),
}
OTHERS = [
    "",
    " ",
    ".",
    "a..b",
    ".example.com",
    "a b",
    "a,b",
    "a, b",
    "user@example.com",
    "user:secret@example.com",
    "http://example.com",
    "example.com/path",
    "example.com?a",
    "example.com#a",
    "example.com\\a",
    "example.com:port",
    "example.com:-1",
    "example.com:65536",
    "example.com:123456",
    "example.com:80:80",
    "example.com:8\u0660",
    "\u0435xample.com",
    "caf\xe9.example",
    "a%41",
    "a\0",
    "a\n",
    "a\r\nX: y",
    "a\t",
    '"a"',
    "<a>",
    "*.example.com",
    "::1",
    "[::1",
    "::1]",
    "[::1]a",
    "[:::1]",
    "[::1%25eth0]",
    "[v1.a]",
    "[127.0.0.1]",
    "[]",
    "a" * 256,
    "a." * 5000,
    "[" + ":" * 5000 + "]",
]


@pytest.mark.parametrize("text", AUTHORITIES)
def test_an_authority_has_one_comparable_form(text: str) -> None:
    assert hosts.parse(text) == AUTHORITIES[text]
    assert hosts.is_authority(text)


@pytest.mark.parametrize("text", OTHERS)
def test_anything_else_is_no_authority(text: str) -> None:
    assert hosts.parse(text) is None
    assert not hosts.is_authority(text)


@pytest.mark.parametrize(
    ("pattern", "matches", "others"),
    [
        ("*", ["http://a", "http://[::1]:80"], []),
        (
            "api.example.com",
            ["http://api.example.com", "http://API.example.com.:8000", "https://api.example.com"],
            ["http://example.com", "http://xapi.example.com", "http://api.example.com.evil"],
        ),
        (
            "api.example.com:443",
            ["https://api.example.com", "http://api.example.com:443"],
            ["http://api.example.com", "https://api.example.com:4430"],
        ),
        (
            "*.Example.com",
            ["http://a.example.com", "http://a.b.example.com:1"],
            ["http://example.com", "http://a.example.comx", "http://aexample.com"],
        ),
        ("*.example.com:8000", ["http://a.example.com:8000"], ["http://a.example.com"]),
        ("[::1]", ["http://[0::1]:80", "http://[::1]"], ["http://[::2]", "http://localhost"]),
        ("a.c", ["http://a.c"], ["http://abc"]),
    ],
)
def test_a_pattern_is_a_host_or_all_below_one(
    pattern: str, matches: list[Any], others: list[Any]
) -> None:
    assert hosts.is_pattern(pattern)
    allowed = hosts.allowed(["other.example", pattern])
    for url, is_allowed in [(url, True) for url in matches] + [(url, False) for url in others]:
        scheme, _, host = url.partition("://")
        assert bool(allowed.fullmatch(hosts.comparable(host, scheme))) is is_allowed, url


@pytest.mark.parametrize("text", ["", "**", "*.*", "a*", "*a.example", "http://a", "a:*", "*:80"])
def test_other_wildcards_are_no_pattern(text: str) -> None:
    assert not hosts.is_pattern(text)
