"""The orders of predicates and derivers, which an application sorts once and not for each view."""

import collections

import pytest
from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.security import NO_PERMISSION_REQUIRED
from pyramid.util import TopologicalSorter
from testapp import RESOURCES

from cliquet.testing.web import make_app
from cliquet.web.sorted_once import SortedOnce


def names(sorter: TopologicalSorter) -> list[str]:
    return [name for name, _ in sorter.sorted()]


@pytest.fixture
def sorter() -> TopologicalSorter:
    original = TopologicalSorter()
    original.add("b", 2, after="a")
    original.add("a", 1)
    return SortedOnce(original)


def test_the_order_is_that_of_pyramid(sorter: TopologicalSorter) -> None:
    assert sorter.sorted() == [("a", 1), ("b", 2)]


def test_what_is_added_later_has_its_place(sorter: TopologicalSorter) -> None:
    sorter.sorted()

    sorter.add("between", 3, after="a", before="b")

    assert names(sorter) == ["a", "between", "b"]


def test_what_is_removed_is_gone(sorter: TopologicalSorter) -> None:
    sorter.sorted()

    sorter.remove("b")

    assert names(sorter) == ["a"]


def test_who_changes_the_list_changes_no_order(sorter: TopologicalSorter) -> None:
    sorter.sorted().clear()

    assert names(sorter) == ["a", "b"]


class Lucky:
    """A predicate of the application, on a parameter of the query."""

    def __init__(self, value: str, info: object) -> None:
        self.value = value

    def text(self) -> str:
        return f"lucky = {self.value}"

    phash = text

    def __call__(self, context: object, request: Request) -> bool:
        return bool(request.GET.get("lucky") == self.value)


def test_a_predicate_of_the_application_counts() -> None:
    def configure(config: Configurator) -> None:
        config.add_view_predicate("lucky", Lucky)
        config.add_route("luck", "/luck")
        config.add_view(
            lambda request: request.response,
            route_name="luck",
            lucky="yes",
            permission=NO_PERMISSION_REQUIRED,
        )

    app = make_app(configure=configure)

    app.get("/v0/luck?lucky=yes", status=200)
    app.get("/v0/luck?lucky=no", status=404)


def test_an_application_sorts_them_a_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: collections.Counter[int] = collections.Counter()
    sort = TopologicalSorter.sorted

    def counting(self: TopologicalSorter) -> object:
        counted[id(self)] += 1
        return sort(self)

    monkeypatch.setattr(TopologicalSorter, "sorted", counting)

    make_app(RESOURCES)

    # Before, the largest number was that of the views.
    assert max(counted.values()) < 20
