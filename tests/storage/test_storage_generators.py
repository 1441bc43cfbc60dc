import re
import sys

import pytest
from servers.starting import run_program

from cliquet.storage.generators import UUID4, Generator


class Sequential(Generator):
    def __call__(self) -> str:
        return "id-1"


@pytest.mark.clause("P-18.1", "B-8.1", "B-8.3")
def test_the_base_class_makes_no_id() -> None:
    with pytest.raises(NotImplementedError):
        Generator()


@pytest.mark.clause("P-18.1", "B-8.1")
def test_a_generator_keeps_its_configuration() -> None:
    config = object()

    assert Sequential(config).config is config
    assert Sequential().config is None


@pytest.mark.clause("P-18.1", "B-8.2", "P-34.16")
@pytest.mark.parametrize(
    ("record_id", "accepted"),
    [
        ("a", True),
        ("Z9", True),
        ("0-_-", True),
        ("", False),
        ("-a", False),
        ("_a", False),
        ("a\n", False),
        ("a b", False),
        ("é", False),
        ("a/b", False),
        ("\u0663", False),
        ("a" * 500, True),
    ],
)
def test_the_default_pattern_accepts_ascii_words(record_id: str, accepted: bool) -> None:
    assert bool(Sequential().match(record_id)) is accepted
    assert Generator.regexp == r"^[a-zA-Z0-9][a-zA-Z0-9_-]*$"


@pytest.mark.clause("P-18.2", "B-8.3", "S-6.3")
def test_a_generator_whose_ids_do_not_match_is_refused() -> None:
    class Stars(Generator):
        def __call__(self) -> str:
            return "*" * 80

    with pytest.raises(AssertionError, match=r"^Generated record id does comply with regexp\.$"):
        Stars()


@pytest.mark.clause("B-8.3")
@pytest.mark.usefixtures("processes")
def test_the_check_survives_optimised_mode() -> None:
    code = (
        "from cliquet.storage.generators import Generator\n"
        "class Stars(Generator):\n"
        "    def __call__(self): return '*'\n"
        "try: Stars()\n"
        "except AssertionError: print('refused')\n"
    )

    result = run_program([sys.executable, "-O", "-c", code], capture_output=True, text=True)

    assert result.stdout == "refused\n", result.stderr


@pytest.mark.clause("P-18.1")
def test_a_subclass_has_its_own_pattern() -> None:
    class Digits(Generator):
        regexp = "[0-9]+"

        def __call__(self) -> str:
            return "42"

    assert Digits().match("7")
    assert not Digits().match("7a")


@pytest.mark.clause("P-18.3", "B-8.4")
def test_uuids_are_random_lower_case_and_hyphenated() -> None:
    made = {UUID4()() for _ in range(50)}

    assert len(made) == 50
    pattern = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
    assert all(re.fullmatch(pattern, text) for text in made)


@pytest.mark.clause("P-18.3", "B-8.4", "P-34.16")
@pytest.mark.parametrize(
    ("record_id", "accepted"),
    [
        ("ffffffff-ffff-0fff-0fff-ffffffffffff", True),
        ("472be9ec-26fe-461b-8282-9c4e4b207ab3", True),
        ("472BE9EC-26fe-461b-8282-9c4e4b207ab3", False),
        ("XXX-472be9ec-26fe-461b-8282-9c4e4b207ab3", False),
        ("472be9ec-26fe-461b-8282-9c4e4b207ab3\n", False),
        ("472be9ec26fe461b82829c4e4b207ab3", False),
        ("472be9ec-26fe-461b-8282-9c4e4b207ab", False),
    ],
)
def test_uuids_of_any_version_are_accepted(record_id: str, accepted: bool) -> None:
    assert bool(UUID4().match(record_id)) is accepted
