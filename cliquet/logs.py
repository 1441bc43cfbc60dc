"""The shared logger, and the context of the request that its entries contain."""

from cliquet.monitoring.logs import (
    ClassicLogRenderer,
    LogContext,
    Logger,
    MozillaHekaRenderer,
    begin,
    bind,
    decode_value,
    end,
    fields,
    logger,
    logger_for,
    scope,
    using,
    without_tracebacks,
)
from cliquet.monitoring.request_ids import request_id

__all__ = [
    "ClassicLogRenderer",
    "LogContext",
    "Logger",
    "MozillaHekaRenderer",
    "begin",
    "bind",
    "decode_value",
    "end",
    "fields",
    "logger",
    "logger_for",
    "request_id",
    "scope",
    "using",
    "without_tracebacks",
]
