"""Two services with one path are refused at the start, because only one would be reached."""

from __future__ import annotations

from typing import Any

import cornice
import pytest
from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationError

import cliquet
from cliquet.testing.web import MEMORY_BACKENDS


def first(request: Any) -> dict[str, Any]:
    return {}


def second(request: Any) -> dict[str, Any]:
    return {}


def service(name: str, path: str, view: Any, cls: Any = cliquet.Service, **options: Any) -> Any:
    made = cls(name=name, path=path, **options)
    made.add_view("GET", view)
    return made


def start(*services: Any) -> Configurator:
    config = Configurator(settings=dict(MEMORY_BACKENDS))
    cliquet.initialize(config, version="1.0", project_name="pond")
    for one in services:
        config.add_cornice_service(one)
    config.make_wsgi_app()
    return config


@pytest.mark.clause("E-8.3")
@pytest.mark.parametrize("cls", [cliquet.Service, cornice.Service])
def test_two_services_with_one_path_are_refused_with_both_places(cls: object) -> None:
    services = service("a", "/pond/{id}", first, cls), service("b", "/pond/{name}", second, cls)

    with pytest.raises(ConfigurationError) as refused:
        start(*services)

    message = str(refused.value)
    assert "two services have the path '/v1/pond/{}'" in message
    for name, view in (("a", first), ("b", second)):
        assert f"{__file__}:{view.__code__.co_firstlineno}: service {name!r}" in message


@pytest.mark.clause("E-8.3")
def test_two_services_with_one_name_are_told_once() -> None:
    with pytest.raises(ConfigurationError) as refused:
        start(service("a", "/pond", first), service("a", "/river", second))

    message = str(refused.value)
    assert "two services have the name 'a'" in message
    assert message.count("For: ") == 1
    for view in (first, second):
        assert message.count(f"{__file__}:{view.__code__.co_firstlineno}: service 'a'") == 1


@pytest.mark.clause("E-8.3")
def test_services_that_more_than_the_path_tells_apart_are_allowed() -> None:
    start(
        service("a", "/pond", first, header="X-Old"),
        service("b", "/pond", second, header="X-New"),
        service("c", "/river", first),
    )


@pytest.mark.clause("E-8.3")
def test_a_service_of_the_application_wins_over_that_of_a_plug_in() -> None:
    def plug_in(config: Configurator) -> None:
        config.add_cornice_service(service("a", "/pond", first))

    config = Configurator(settings=dict(MEMORY_BACKENDS))
    cliquet.initialize(config, version="1.0", project_name="pond")
    config.include(plug_in)
    config.add_cornice_service(service("b", "/pond", second))

    config.make_wsgi_app()
