"""The views of the library are found as a scan by Pyramid finds them."""

from collections.abc import Collection

import pytest
from pyramid.config import Configurator
from webtest import TestApp

from cliquet.initialization import scanning
from cliquet.testing.web import make_app

ALL = {
    "version_json_path": "version.json",
    "groups_enabled": True,
    "api_docs_enabled": True,
    "admin_enabled": True,
}


def registered(app: TestApp) -> list[str]:
    introspector = app.app.registry.introspector
    return [
        f"{category} {entry['introspectable'].discriminator}"
        for category in ("views", "routes")
        for entry in introspector.get_category(category)
    ]


@pytest.mark.clause("P-3")
@pytest.mark.parametrize("settings", [{}, ALL], ids=["defaults", "all"])
def test_they_are_those_of_a_scan_by_pyramid(
    settings: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = registered(make_app(settings=settings))

    def scan(config: Configurator, ignore: Collection[str]) -> None:
        config.scan("cliquet.views", ignore=list(ignore))

    monkeypatch.setattr(scanning, "scan_views", scan)

    assert found == registered(make_app(settings=settings))
    assert any("heartbeat" in entry for entry in found)


def test_a_view_that_was_replaced_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    make_app()
    monkeypatch.setattr("cliquet.views.heartbeat.heartbeat", None)

    make_app().get("/v0/__heartbeat__", status=404)
