"""Modules and regular expressions that are loaded when they are first used."""

from __future__ import annotations

import copy
import importlib
import inspect
import pickle
import re
import sys
from collections.abc import Callable
from types import FrameType, ModuleType
from typing import Any

import pytest

from cliquet.core.lazy import LazyModule, lazy_pattern
from cliquet.core.source_modules import tell_module_of


def test_a_module_is_imported_for_its_names_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    module = LazyModule("colorsys")

    # The scan of Pyramid asks each name of a module for this.
    assert not hasattr(module, "__venusian_callbacks__")
    assert "colorsys" not in sys.modules
    assert module.rgb_to_yiq(0, 0, 0) == (0, 0, 0)


def test_a_pattern_is_compiled_for_its_first_use(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[str] = []
    compile_now = re.compile

    def compile_noting(text: str, flags: int) -> re.Pattern[str]:
        compiled.append(text)
        return compile_now(text, flags)

    monkeypatch.setattr(re, "compile", compile_noting)
    pattern = lazy_pattern("[a-z]+", re.IGNORECASE)

    assert compiled == []
    assert [bool(pattern.fullmatch(text)) for text in ("Ab", "1")] == [True, False]
    assert compiled == ["[a-z]+"]


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))]
)
@pytest.mark.parametrize("is_used", [True, False])
def test_a_pattern_can_be_copied(copied: Callable[[Any], Any], *, is_used: bool) -> None:
    pattern = lazy_pattern("[a-z]+", re.IGNORECASE)
    assert not is_used or pattern.match("A")

    assert [bool(copied(pattern).match(text)) for text in ("Ab", "1")] == [True, False]


def frame_of(code: str, module: ModuleType, file: str) -> FrameType:
    module.__dict__["frame"] = sys._getframe
    exec(compile(code, file, "exec"), module.__dict__)
    frame: FrameType = module.__dict__["found"]
    return frame


@pytest.mark.parametrize("is_its_own", [True, False])
def test_inspect_is_told_what_is_true(monkeypatch: pytest.MonkeyPatch, *, is_its_own: bool) -> None:
    known: dict[str, str] = {}
    monkeypatch.setattr(inspect, "modulesbyfile", known)
    module = ModuleType("shop_views")
    module.__file__ = "/shop/views.py" if is_its_own else "/shop/other.py"
    monkeypatch.setitem(sys.modules, "shop_views", module)

    tell_module_of(frame_of("found = frame()", module, "/shop/views.py"))

    assert known == ({"/shop/views.py": "shop_views"} if is_its_own else {})


@pytest.mark.parametrize("module", ["cliquet.authentication", "cliquet.resource"])
def test_names_that_few_services_need_are_kept_where_they_are_published(module: str) -> None:
    published = importlib.import_module(module)
    name = {"cliquet.authentication": "JWTPolicy", "cliquet.resource": "JSONSchema"}[module]

    assert getattr(published, name) is vars(published)[name]
    with pytest.raises(AttributeError, match=f"module '{module}' has no attribute 'Nothing'"):
        published.Nothing  # noqa: B018 - it is looked up
