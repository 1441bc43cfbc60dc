"""Reports of crashes to Sentry, if the setting ``sentry_dsn`` is set.

`sentry-sdk` is set up for the whole process, and changes Pyramid and `logging`: that is how it
works, and the reason why it is only imported if the setting is there. Its reports come from the log
entries of level ERROR and above, which contain the exception. Its integration with Pyramid adds
exceptions that no view has handled, and the request. It sees our crashes a second time there, and
drops them.
"""

from __future__ import annotations

import importlib
from typing import Any

from pyramid.config import Configurator
from pyramid.exceptions import ConfigurationError

from cliquet import settings

__all__ = ["setup_sentry", "tell_sentry_of_start"]


def setup_sentry(config: Configurator) -> None:
    """Start `sentry-sdk`, if ``sentry_dsn`` is set.

    Bodies, local variables and credentials never leave the process: records belong to the users,
    and local variables contain the headers of the request and the secrets of the settings (E-6.1).

    Raises
    ------
    pyramid.exceptions.ConfigurationError : the package is missing, or the address is wrong.
    """
    configured = config.get_settings()
    dsn = settings.read(configured, "sentry_dsn")
    if not dsn:
        return
    sdk = _import("sentry_sdk")
    utils = _import("sentry_sdk.utils")
    integration = _import("sentry_sdk.integrations.pyramid").PyramidIntegration()
    name = settings.read(configured, "project_name")
    version = settings.read(configured, "project_version")
    try:
        utils.Dsn(dsn)  # It raises before anything is patched.
    except utils.BadDsn as error:
        # The message does not show the value, which is half a secret.
        raise ConfigurationError(
            f"sentry_dsn: {error}. Expected https://KEY@HOST/PROJECT, as the page "
            "'Client Keys' of the project in Sentry shows it."
        ) from error
    sdk.init(
        dsn=dsn,
        environment=settings.read(configured, "sentry_env"),
        # Sentry can compare versions in this form.
        release=f"{name}@{version}" if name else version,
        integrations=[integration],
        # Automatic integrations would change the drivers, and would report statements and keys.
        auto_enabling_integrations=False,
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        before_send=_with_plain_message,
        before_breadcrumb=_with_plain_message,
    )


def tell_sentry_of_start(config: Configurator, message: str) -> None:
    """Send a message at the start, so that the deployer sees that Sentry can be reached."""
    if settings.read(config.get_settings(), "sentry_dsn"):
        _import("sentry_sdk").capture_message(message, level="info")


def _with_plain_message(told: dict[str, Any], hint: dict[str, Any]) -> dict[str, Any]:
    """Replace the line of the log, with its colours and fields, by the text of the entry.

    Sentry groups reports by their message, and no two lines of the log are equal.
    """
    event = getattr(hint.get("log_record"), "cliquet_event", None)
    if event is not None:
        if "logentry" in told:
            told["logentry"] = {"message": event, "params": []}
        else:
            told["message"] = event
    return told


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigurationError(
            "The setting sentry_dsn needs the package sentry-sdk: pip install cliquet[sentry]"
        ) from error
