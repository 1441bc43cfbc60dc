"""Names that nobody knows, and the known ones that they resemble."""

from typing import Any

import pytest

from cliquet.settings import DEFAULT_SETTINGS, resolve
from cliquet.settings.unknown import UnknownSetting, find_unknown, nearest_name


def unknown(settings: Any, defaults: Any = None, previous: Any = None) -> Any:
    defaults = {**DEFAULT_SETTINGS, **(defaults or {})}
    resolution = resolve(settings, defaults, project_name="shop", environment={}, previous=previous)
    return find_unknown(resolution)


@pytest.mark.clause("E-7.2")
def test_unknown_names_of_the_library_are_found_with_the_nearest() -> None:
    assert unknown({"cliquet.paginate_bye": "1", "cliquet.zzz": "1", "cliquet.readonly": "1"}) == [
        UnknownSetting("cliquet.paginate_bye", "cliquet.paginate_by"),
        UnknownSetting("cliquet.zzz", None),
    ]


@pytest.mark.clause("E-7.2")
def test_names_of_the_project_are_found_when_they_resemble_a_known_one() -> None:
    settings = {
        "shop.storag_url": "1",
        "shop.basket_size": "1",
        "shop.retry_after": "1",
        "shop.mushroom_cache_expire_seconds": "1",
    }

    assert unknown(settings) == [
        UnknownSetting("shop.mushroom_cache_expire_seconds", "shop.mushroom_cache_expires_seconds"),
        UnknownSetting("shop.storag_url", "shop.storage_url"),
    ]


@pytest.mark.clause("E-7.2")
def test_names_without_prefix_belong_to_anybody() -> None:
    assert unknown({"paginate_bye": "1", "pyramid.paginate_by": "1"}) == []


@pytest.mark.clause("E-7.2", "S-1.12")
def test_names_that_an_application_or_a_plugin_declares_are_known() -> None:
    settings = {"cliquet.basket": "1", "cliquet.shelf": "2"}
    first = resolve(settings, {"basket": 0}, project_name="shop", environment={})

    assert [found.name for found in unknown(settings, {"shelf": 0}, previous=first)] == []
    assert [found.name for found in unknown(settings, {"shelf": 0})] == ["cliquet.basket"]


@pytest.mark.clause("E-7.2")
@pytest.mark.parametrize(
    ("given", "nearest"),
    [
        ("paginate", "paginate_by"),
        ("storage_poolsize", "storage_pool_size"),
        ("retry_after", "retry_after_seconds"),
        ("colection_mushroom_delete_enabled", "collection_mushroom_delete_enabled"),
        ("record_red_mushroom_ptch_enabled", "record_red_mushroom_patch_enabled"),
        ("mushroom_create_principal", "mushroom_create_principals"),
        ("red_mushroom_create_principal", "red_mushroom_create_principals"),
        ("event_listener.redis.use", "event_listeners.redis.use"),
        ("event_listener.my.redis.url", "event_listeners.my.redis.url"),
        ("storag_max_overflow", "storage_max_overflow"),
        ("multiauth.polices", "multiauth.policies"),
        ("a_very_long_name_of_something_else", None),
        ("x.y", None),
        ("", None),
    ],
)
def test_the_nearest_name_may_be_of_a_family(given: str, nearest: str | None) -> None:
    assert nearest_name(given) == nearest


@pytest.mark.clause("E-7.2")
@pytest.mark.parametrize(
    ("nearest", "text"),
    [
        (None, "unknown setting cliquet.x"),
        ("cliquet.y", "unknown setting cliquet.x; did you mean cliquet.y?"),
    ],
)
def test_an_unknown_setting_is_told_in_words(nearest: str | None, text: str) -> None:
    assert str(UnknownSetting("cliquet.x", nearest)) == text
