"""Tests of the health check of permission backends."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cliquet import permission as permission_package
from cliquet.permission import PermissionBase, heartbeat
from cliquet.testing.faults import FaultyBackend, RecordingLogger, fail

__all__ = ["PermissionHeartbeatContract"]


def _request(readonly: Any = False) -> Any:
    return SimpleNamespace(registry=SimpleNamespace(settings={"readonly": readonly}), headers={})


def _faulty(backend: PermissionBase, **methods: Callable[..., Any]) -> PermissionBase:
    return cast("PermissionBase", FaultyBackend(backend, **methods))


class PermissionHeartbeatContract:
    """Tests of the operations of the check, and of the traces that it leaves."""

    @pytest.mark.clause("B-17.1", "B-17.2", "P-6.5")
    @pytest.mark.parametrize("readonly", [True, False])
    def test_heartbeat_of_a_working_backend_is_true(
        self, permission: PermissionBase, readonly: bool
    ) -> None:
        assert heartbeat(permission)(_request(readonly)) is True

    @pytest.mark.clause("B-17.2", "B-17.3", "P-6.5")
    def test_heartbeat_grants_a_permission_and_takes_it_back(
        self, permission: PermissionBase
    ) -> None:
        calls: list[tuple[Any, ...]] = []
        backend = _faulty(
            permission,
            add_principal_to_ace=lambda *args: calls.append(("add", *args)),
            remove_principal_from_ace=lambda *args: calls.append(("remove", *args)),
        )
        assert heartbeat(backend)(_request()) is True
        ace = ("__heartbeat__", "read", "alive")
        assert calls == [("add", *ace), ("remove", *ace)]

    @pytest.mark.clause("B-17.2", "E-9.5")
    def test_heartbeat_does_not_write_what_all_servers_of_a_database_have(
        self, permission: PermissionBase
    ) -> None:
        backend = _faulty(permission, add_user_principal=fail, remove_user_principal=fail)
        assert heartbeat(backend)(_request()) is True

    @pytest.mark.clause("B-22.30", "B-17.7")
    def test_hundred_heartbeats_leave_no_trace(self, permission: PermissionBase) -> None:
        check = heartbeat(permission)
        assert all(check(_request()) for _ in range(100))
        assert permission.user_principals("__heartbeat__") == set()
        assert permission.object_permissions("__heartbeat__") == {}
        assert permission.get_accessible_objects(["alive"]) == {}

    @pytest.mark.clause("B-17.2", "B-17.4", "P-6.5")
    @pytest.mark.parametrize("readonly", [True, "true"])
    def test_heartbeat_only_reads_in_read_only_mode(
        self, permission: PermissionBase, readonly: Any
    ) -> None:
        backend = _faulty(permission, add_principal_to_ace=fail, remove_principal_from_ace=fail)
        assert heartbeat(backend)(_request(readonly)) is True

    @pytest.mark.clause("B-17.4")
    def test_read_only_mode_is_read_at_each_call(
        self, permission: PermissionBase, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(permission_package, "logger", RecordingLogger())
        check = heartbeat(_faulty(permission, add_principal_to_ace=fail))
        assert check(_request("false")) is False
        assert check(_request("true")) is True
        assert check(_request("false")) is False

    @pytest.mark.clause("B-17.1")
    @pytest.mark.parametrize(
        ("readonly", "method"),
        [
            (True, "user_principals"),
            (False, "add_principal_to_ace"),
            (False, "remove_principal_from_ace"),
        ],
    )
    def test_heartbeat_of_a_failing_backend_is_false_and_logged(
        self,
        permission: PermissionBase,
        monkeypatch: pytest.MonkeyPatch,
        readonly: bool,
        method: str,
    ) -> None:
        logger = RecordingLogger()
        monkeypatch.setattr(permission_package, "logger", logger)
        assert heartbeat(_faulty(permission, **{method: fail}))(_request(readonly)) is False
        assert logger.exceptions == ["Heartbeat Error"]
