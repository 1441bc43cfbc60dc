"""Authentication by signed tokens of an issuer (RFC 7519, RFC 6750).

It knows nothing of settings: the options ``multiauth.policy.<name>.*`` are keyword arguments. The
refusals follow RFC 8725.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any, Final, NamedTuple

from pyramid.httpexceptions import HTTPServiceUnavailable
from pyramid.interfaces import IAuthenticationPolicy
from pyramid.request import Request
from zope.interface import implementer

from cliquet import utils
from cliquet.monitoring import logs
from cliquet.security import policy_options
from cliquet.security.issuer_keys import IssuerKeys, KeysUnavailableError
from cliquet.security.key_sets import ALGORITHMS

__all__ = ["JWTPolicy"]

_MAX_TOKEN_BYTES: Final = 8192
_MAX_KNOWN: Final = 1024
_ON_REQUEST = "_cliquet_jwt"
# Secrets shorter than the hash can be guessed (RFC 7518 3.2, RFC 8725 3.5).
_SECRET_BYTES: Final = {"HS256": 32, "HS384": 48, "HS512": 64}


class _Verified(NamedTuple):
    """What a valid token says.

    Attributes
    ----------
    userid : id of the user, without the name of the policy.
    principals : those of the claim.
    expires : end of the validity, in s since 1970.
    """

    userid: str
    principals: tuple[str, ...]
    expires: float


class _RefusedError(Exception):
    """A token is not valid; the text is for the log."""


@implementer(IAuthenticationPolicy)
class JWTPolicy:
    """Recognises users by ``Authorization: Bearer`` with a token that an issuer has signed.

    The id of the user is the claim ``sub``. One policy believes one issuer; another issuer, whose
    users are others, takes another policy. It needs the extra ``jwt``.

    Parameters
    ----------
    issuer : text of the claim ``iss``.
    audience : texts of which one must be in the claim ``aud``, as list, or as text with white space
        between them. A token for another service of the same issuer is refused.
    keys : path of a file, or URL with ``https``, with the public keys of the issuer (RFC 7517). See
        :class:`~cliquet.security.issuer_keys.IssuerKeys`.
    secret : secret that is shared with the issuer, instead of `keys`; at least as long as the hash.
    algorithms : those that are accepted, as list or text; by default ``RS256`` and ``ES256`` with
        `keys`, ``HS256`` with `secret`.
    leeway_seconds : how much the clocks may differ, in s.
    token_type : header ``typ`` that a token must have, such as ``at+jwt`` (RFC 9068); ``None`` for
        any.
    userid_claim : the claim with the id of the user.
    principals_claim : claim with a list of names, or a text with white space between them, each of
        which gives the user a principal; ``None`` for none.
    principals_prefix : beginning of these principals.
    refresh_seconds : age of keys that are read again, in s.
    timeout_seconds : how long the issuer may take to send its keys, in s.
    realm : realm of the challenge in a 401.

    Raises
    ------
    ValueError : an option is missing, or would accept tokens of anybody.
    ImportError : the extra ``jwt`` is not installed.
    """

    def __init__(
        self,
        issuer: str,
        audience: str | Iterable[str],
        keys: str | None = None,
        secret: str | None = None,
        algorithms: str | Iterable[str] | None = None,
        leeway_seconds: float = 30,
        token_type: str | None = None,
        userid_claim: str = "sub",
        principals_claim: str | None = None,
        principals_prefix: str = "group:",
        refresh_seconds: float = 3600,
        timeout_seconds: float = 5,
        realm: str = "Realm",
    ) -> None:
        self._jwt = _library()
        self._issuer = policy_options.text("issuer", issuer)
        self._audience = policy_options.items("audience", audience)
        self._secret = None if secret is None else policy_options.text("secret", secret).encode()
        if (keys is None) == (self._secret is None):
            raise ValueError("one of the options 'keys' and 'secret' must be given, and only one")
        default = ("RS256", "ES256") if self._secret is None else ("HS256",)
        self._algorithms = (
            default if algorithms is None else policy_options.items("algorithms", algorithms)
        )
        _check_algorithms(self._algorithms, self._secret)
        self._leeway_seconds = policy_options.number("leeway_seconds", leeway_seconds, 0, 600)
        self._token_type = (
            None if token_type is None else policy_options.text("token_type", token_type).lower()
        )
        self._userid_claim = policy_options.text("userid_claim", userid_claim)
        self._principals_claim = principals_claim or None
        # Without a beginning of their own, the names could be users or `system.Everyone`.
        self._principals_prefix = policy_options.text("principals_prefix", principals_prefix)
        self._challenge = f'Bearer realm="{policy_options.quotable("realm", realm)}"'
        refresh = policy_options.number("refresh_seconds", refresh_seconds, 1, 2**31)
        timeout = policy_options.number("timeout_seconds", timeout_seconds, 0.1, 60)
        self._keys = (
            None
            if keys is None
            else IssuerKeys(
                policy_options.text("keys", keys), refresh_seconds=refresh, timeout_seconds=timeout
            )
        )
        self._known: dict[bytes, _Verified] = {}
        self._known_of = 0

    def authenticated_userid(self, request: Request) -> str | None:
        """Return the id of the user of a valid token, else ``None``.

        Raises
        ------
        pyramid.httpexceptions.HTTPServiceUnavailable : the keys are not known, and the issuer
            cannot be asked.
        """
        found = self._verified(request)
        return None if found is None else found.userid

    def unauthenticated_userid(self, request: Request) -> str | None:
        """Return the same as :meth:`authenticated_userid`: an unverified token says nothing."""
        return self.authenticated_userid(request)

    def effective_principals(self, request: Request) -> list[str]:
        """Return the principals of the claim; the security policy adds the user."""
        found = self._verified(request)
        return [] if found is None else list(found.principals)

    def remember(self, request: Request, userid: str, **kwargs: Any) -> list[tuple[str, str]]:
        """Return no headers, because the issuer gives the tokens."""
        return []

    def forget(self, request: Request) -> list[tuple[str, str]]:
        """Return the challenge, which tells whether the token was at fault (RFC 6750 3.1)."""
        challenge = self._challenge
        if _token(request):
            challenge += ', error="invalid_token"'
        return [("WWW-Authenticate", challenge)]

    def _verified(self, request: Request) -> _Verified | None:
        token = _token(request)
        if token is None:
            return None
        # It is asked several times in a request.
        seen: tuple[str, Any, _Verified | None] | None = request.__dict__.get(_ON_REQUEST)
        if seen is not None and seen[0] == token and seen[1] is self:
            return seen[2]
        try:
            found = self._verify(token)
        except _RefusedError as error:
            logs.bind(token_refused=str(error))
            found = None
        except KeysUnavailableError as error:
            logs.logger.error("No keys of the issuer are known", location=str(error))
            raise HTTPServiceUnavailable() from error
        request.__dict__[_ON_REQUEST] = (token, self, found)
        return found

    def _verify(self, token: str) -> _Verified:
        if self._keys is not None:
            # Known tokens must not keep old keys alive.
            self._keys.refresh()
            if self._known_of != self._keys.generation:
                # The issuer has withdrawn keys.
                self._known = {}
                self._known_of = self._keys.generation
        known = self._known
        digest = sha256(token.encode()).digest()
        found = known.get(digest)
        if found is not None and time.time() < found.expires:
            return found
        found = self._read(token)
        if len(known) >= _MAX_KNOWN:
            known.clear()
        known[digest] = found
        return found

    def _read(self, token: str) -> _Verified:
        claims = self._claims(token)
        userid = claims.get(self._userid_claim)
        if not isinstance(userid, str) or not userid or not utils.is_storable_key(userid):
            raise _RefusedError(f"claim {self._userid_claim} is no id")
        return _Verified(userid, self._principals(claims), claims["exp"])

    def _principals(self, claims: Mapping[str, Any]) -> tuple[str, ...]:
        names = claims.get(self._principals_claim) if self._principals_claim else None
        if isinstance(names, str):
            names = names.split()
        return tuple(
            f"{self._principals_prefix}{name}"
            for name in (names if isinstance(names, list) else ())
            if isinstance(name, str) and name and utils.is_storable(name)
        )

    def _claims(self, token: str) -> dict[str, Any]:
        algorithm, kid = self._header(token)
        for key in self._candidates(kid, algorithm):
            claims = self._claims_by(key, token, algorithm)
            if claims is not None:
                return claims
        raise _RefusedError("no key of the issuer has signed it")

    def _candidates(self, kid: str | None, algorithm: str) -> list[Any]:
        if self._keys is None:
            return [self._secret]
        return [one.key for one in self._keys.find(kid, algorithm)]

    def _claims_by(self, key: Any, token: str, algorithm: str) -> dict[str, Any] | None:
        """Return the claims of a token that a key has signed; ``None`` if it has not."""
        errors = self._jwt.exceptions
        try:
            claims: dict[str, Any] = self._jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                issuer=self._issuer,
                audience=list(self._audience),
                leeway=self._leeway_seconds,
                options={"require": ["exp", "iss", "aud", self._userid_claim]},
            )
            claims["exp"] = float(claims["exp"])
        except errors.InvalidSignatureError:
            return None
        except _UNREADABLE as error:
            raise _RefusedError(type(error).__name__) from error
        except errors.PyJWTError as error:
            raise _RefusedError(str(error)) from error
        return claims

    def _header(self, token: str) -> tuple[str, str | None]:
        """Return the algorithm and the name of the key, which are not trusted yet."""
        if len(token) > _MAX_TOKEN_BYTES or not token.isascii() or token.count(".") != 2:
            raise _RefusedError("not a signed token")
        try:
            header = self._jwt.get_unverified_header(token)
        except (self._jwt.exceptions.PyJWTError, *_UNREADABLE) as error:
            raise _RefusedError("malformed header") from error
        algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ")
        if algorithm not in self._algorithms:
            raise _RefusedError(f"algorithm {algorithm!r:.20} is not accepted")
        if "crit" in header or "b64" in header:
            # Extensions that are not understood must not be passed over (RFC 7515 4.1.11).
            raise _RefusedError("extensions")
        if self._token_type is not None and _media_type(kind) != self._token_type:
            raise _RefusedError("another type of token")
        if kid is not None and not isinstance(kid, str):
            raise _RefusedError("malformed header")
        return algorithm, kid


# JSON may hold values that a library does not think of: numbers beyond all dates, nesting.
_UNREADABLE = (ValueError, TypeError, KeyError, OverflowError, RecursionError, AttributeError)


def _library() -> Any:
    try:
        import cryptography  # noqa: F401 - PyJWT verifies with it
        import jwt
    except ImportError as error:
        raise ImportError(
            f"{error}: tokens need the extra 'jwt' (pip install 'cliquet[jwt]')"
        ) from error
    return jwt


def _token(request: Request) -> str | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    token = token.strip()
    return token if scheme.lower() == "bearer" and token else None


def _media_type(kind: Any) -> Any:
    return kind.lower().removeprefix("application/") if isinstance(kind, str) else None


def _check_algorithms(algorithms: Iterable[str], secret: bytes | None) -> None:
    """Refuse ``none``, and to take a public key for a secret (RFC 8725 2.1, 3.1)."""
    accepted = tuple(ALGORITHMS if secret is None else _SECRET_BYTES)
    for algorithm in algorithms:
        if algorithm not in accepted:
            with_what = "keys" if secret is None else "a secret"
            raise ValueError(
                f"the option 'algorithms' has {algorithm!r}; with {with_what} it may have"
                f" {', '.join(accepted)}"
            )
        if secret is not None and len(secret) < _SECRET_BYTES[algorithm]:
            raise ValueError(
                f"the option 'secret' must have at least {_SECRET_BYTES[algorithm]} bytes"
                f" for {algorithm}"
            )
