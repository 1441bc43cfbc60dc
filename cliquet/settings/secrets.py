"""The recognition of secrets in settings, and the texts that are shown instead of them.

A secret is recognised by its name (``client_secret``, ``aws.secret_key``), by the words in front of
it within a value (``password=``, ``Bearer``), or by its form (a private key, a JSON web token, a
long random text). A value that only concerns secrets, such as ``token_ttl``, is shown.
"""

from __future__ import annotations

import re
from typing import Any, Final

from cliquet.core.lazy import lazy_pattern

__all__ = ["MASK", "is_secret_name", "masked", "text_of", "without_credentials"]

MASK: Final = "********"

# A name that ends with one of these words is that of a secret.
_NAMES_OF_SECRETS: Final = (
    r"secrets?|passw(?:or)?ds?|passwd|passphrase|passcode|pwd|pw|tokens?|dsn|credentials?|creds"
    r"|private|api_?keys?|keys?|salts?|pepper|hmac|jwt|bearer|authorization|cookies?"
    r"|signature|otp|pin|seed|webhook"
)
# These whole names are harmless, although they end with such a word.
_HARMLESS_WORDS: Final = r"(?:public|primary|foreign|cache|sort|partition|routing|lookup)_?keys?"
_WORD: Final = r"(?:^|[^a-z0-9])"
_SECRET_NAME: Final = lazy_pattern(rf"{_WORD}(?:\w*_)?(?:{_NAMES_OF_SECRETS})s?(?:[_.-]?[0-9]+)?$")
_HARMLESS_NAME: Final = lazy_pattern(rf"{_WORD}(?:\w*_)?{_HARMLESS_WORDS}$")
# These parts mark a secret in the middle of a name too, unless the end says that it is none:
# `secret_name` may be anything.
_SECRET_PART: Final = lazy_pattern(r"secret|passw|passphrase|token|dsn|private|credential|api_?key")
_ABOUT_SECRETS: Final = lazy_pattern(
    r"[_.-](?:ttl|seconds|minutes|hours|days|timeout|lifetime|expiry|expires|max_age|bytes|bits"
    r"|length|size|limit|count|number|rounds|file|filename|path|dir|folder|url|uri|host|port"
    r"|endpoint|header|name|prefix|algorithm|algorithms|alg|type|use|class|backend|generator"
    r"|policy|policies|enabled|required|optional|scope|scopes|principals|verification|verify)$"
)

# Within a value, a secret may stand behind its name: in a query string, a list of options, a
# literal, a header.
_NAMED: Final = lazy_pattern(
    # The length is bounded, so that a long text does not take a long time.
    r"""(?<![\w.-])(?P<name>[\w.-]{0,64}?(?:secret|passw|passphrase|pwd|token|credential|key|salt"""
    r"""|hmac|signature|sig|cookie|authorization|jwt)[\w.-]{0,64})(?P<sign>["']?\s*[=:]\s*)"""
    r"""(?P<value>"[^"]*"?|'[^']*'?|(?:(?:bearer|basic|token|digest)\s+)?[^\s"'&,;}\]]+)""",
    re.IGNORECASE,
)
# It ends at the last `@`, because passwords are often not escaped. A port is not a password.
_IN_URL: Final = lazy_pattern(r"(://[^:@/\s]*:)(?!\d+(?:[/?#\s,]|$))(?:\S+|[^\s:@]+ [^\s:@]+)@")
_KEY_IN_URL: Final = lazy_pattern(r"(://)(?=[^@/\s]*\d)(?=[^@/\s]*[a-z])[A-Za-z0-9_-]{16,}@")
_SCHEMES: Final = lazy_pattern(
    r"\b((?i:bearer|basic|digest|token)\s+)(?=\S*[0-9A-Z=])[\w.~+/=-]{8,}"
)
_LOOKS: Final = lazy_pattern(
    # A private key up to its end, and a JSON web token.
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)"
    r"|\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"
    # Keys of well-known services, by their beginnings.
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bAIza[\w-]{30,}|\bya29\.[\w-]+|\bgithub_pat_\w+"
    r"|\b(?:gh[oprsu]|glpat|xox[abeoprs]|[rs]k_(?:live|test)|sk|npm|hf|pypi|SG)[-_.][\w.-]{16,}"
    r"|(?<=hooks\.slack\.com/services/)\S+"
    # Random texts: at least 32 hexadecimal digits, or at least 32 characters of all kinds.
    r"|(?<![\w-])[0-9a-f]{32,}(?![\w-])|(?<![\w-])[0-9A-F]{32,}(?![\w-])"
    r"|(?<![\w./+-])(?=[\w+-]*[0-9])(?=[\w+-]*[a-z])(?=[\w+-]*[A-Z])[\w+-]{32,}={0,2}(?![\w./-])",
    re.DOTALL,
)


def is_secret_name(name: str) -> bool:
    """Return whether the value with this name is a secret.

    Parameters
    ----------
    name : name of a setting, an option, a header or a parameter.
    """
    name = name.lower().replace("-", "_")
    if _ABOUT_SECRETS.search(name) or _HARMLESS_NAME.search(name):
        return False
    return bool(_SECRET_NAME.search(name) or _SECRET_PART.search(name))


def masked(text: str) -> str:
    """Return a text in which :data:`MASK` replaces everything that looks like a secret."""
    text = _LOOKS.sub(MASK, text)
    text = _IN_URL.sub(rf"\1{MASK}@", text)
    text = _KEY_IN_URL.sub(rf"\1{MASK}@", text)
    text = _NAMED.sub(_without_value, text)
    return _SCHEMES.sub(rf"\1{MASK}", text)


def _without_value(match: re.Match[str]) -> str:
    name, sign, value = match["name"], match["sign"], match["value"]
    if not is_secret_name(name) and name.lower() not in ("sig",):
        return match[0]
    quote = value[0] if value[0] in "\"'" else ""
    return f"{name}{sign}{quote}{MASK}{quote}"


def without_credentials(url: str) -> str:
    """Return a URL, well-formed or not, in which ``***`` replaces the user and the password."""
    credentials, separator, rest = url.rpartition("@")
    scheme, slashes, _ = credentials.partition("://")
    if not separator:
        return url
    return f"{scheme}{slashes}***@{rest}" if slashes else f"***@{rest}"


def text_of(value: Any) -> str:
    """Return a value in one line, in the form that it has in files."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return " ".join(map(text_of, value))
    return " ".join(str(value).split())
