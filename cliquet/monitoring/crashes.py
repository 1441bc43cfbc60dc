"""Crashes are told to Sentry, where the setting ``sentry_dsn`` names one (E-6.1, S-19).

`sentry-sdk` is set up for the whole process, and puts itself into Pyramid and `logging`: that is
how it works, and why it is only imported where the setting is there. What it is told comes from
the entries of level ERROR and above, which carry the exception (S-19.1); Pyramid's integration
adds the exceptions that no view answered for, and which request it was. It sees our crashes a
second time, and drops what it has seen.
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

    Neither bodies nor local variables nor credentials leave the process: the records belong to
    the users, and local variables hold the headers of the request and the secrets of the settings.

    Raises
    ------
    pyramid.exceptions.ConfigurationError : the package is missing, or the address is none.
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
        utils.Dsn(dsn)  # Before anything is patched.
    except utils.BadDsn as error:
        # Without its value, which is half a secret.
        raise ConfigurationError(
            f"sentry_dsn: {error}. Expected https://KEY@HOST/PROJECT, as the page "
            "'Client Keys' of the project in Sentry shows it."
        ) from error
    sdk.init(
        dsn=dsn,
        environment=settings.read(configured, "sentry_env"),
        # The form that Sentry knows how to compare.
        release=f"{name}@{version}" if name else version,
        integrations=[integration],
        # It would put itself into the drivers, and keep statements and keys.
        auto_enabling_integrations=False,
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        before_send=_with_plain_message,
        before_breadcrumb=_with_plain_message,
    )


def tell_sentry_of_start(config: Configurator, message: str) -> None:
    """Send the message of the start, so that the deployer sees that Sentry is reached (E-6.1)."""
    if settings.read(config.get_settings(), "sentry_dsn"):
        _import("sentry_sdk").capture_message(message, level="info")


def _with_plain_message(told: dict[str, Any], hint: dict[str, Any]) -> dict[str, Any]:
    """Replace the line that was written, with its colours and fields, by the text of the entry.

    Sentry groups by message, and no line is twice the same.
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
            "The setting sentry_dsn needs the package sentry-sdk: pip install cliquet[monitoring]"
        ) from error
