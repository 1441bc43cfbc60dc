"""The shared logger, and the context of the request that its entries contain."""

from cliquet.monitoring.json_lines import JSONFormatter, JSONLogRenderer
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
    request_id,
    scope,
    using,
    without_tracebacks,
)

__all__ = [
    "ClassicLogRenderer",
    "JSONFormatter",
    "JSONLogRenderer",
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
