"""What a client prefers (RFC 7240)."""

import pytest

from cliquet.resource.preferences import NO_COUNT, STRICT


@pytest.mark.clause("E-13.2")
@pytest.mark.parametrize(
    ("prefer", "is_strict"),
    [
        ("handling=strict", True),
        ("Handling = STRICT", True),
        ('handling="strict"', True),
        ("handling=strict; a=b", True),
        ("wait=10, handling=strict", True),
        ('x="a, b";c="d", handling=strict', True),
        # The first one counts.
        ("handling=lenient, handling=strict", False),
        ("handling=strict, handling=lenient", True),
        ("handling", False),
        ("handling=", False),
        ("handling=stricter", False),
        ("xhandling=strict", False),
        ('x="a, handling=strict, b"', False),
        ('handling=lenient;x="a,handling=strict,"', False),
        ("x; handling=strict", False),
        ('"handling=strict', False),
        ('handling="strict', False),
        (",,,", False),
        ("", False),
    ],
)
def test_the_first_preference_of_a_name_counts(prefer: str, is_strict: bool) -> None:
    assert STRICT.is_in(prefer) is is_strict
    assert not NO_COUNT.is_in(prefer)


@pytest.mark.clause("X-34")
def test_a_long_header_takes_no_long_time() -> None:
    for prefer in ('handling "' * 20_000, "handling," * 25_000, 'handling"\\' * 20_000):
        assert not STRICT.is_in(prefer)
