"""Sets of public keys, as issuers of tokens publish them (RFC 7517).

It needs the extra ``jwt``, which is imported when the first set is read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

__all__ = ["ALGORITHMS", "PublicKey", "read_keys"]

_MIN_RSA_BITS: Final = 2048  # RFC 7518 3.3
# The type of key that each algorithm needs, and its curve (RFC 7518 3.1, RFC 8037 3.1).
_NEEDS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    **{f"{family}{bits}": ("RSA", ()) for family in ("RS", "PS") for bits in (256, 384, 512)},
    **{
        f"ES{bits}": ("EC", (f"P-{curve_bits}",))
        for bits, curve_bits in ((256, 256), (384, 384), (512, 521))
    },
    "EdDSA": ("OKP", ("Ed25519", "Ed448")),
}
_PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})

ALGORITHMS: Final = tuple(_NEEDS)
"""The algorithms whose keys can be published."""


class PublicKey(NamedTuple):
    """A key that verifies signatures.

    Attributes
    ----------
    kid : its name; ``None`` if it has none.
    kind, curve : members ``kty`` and ``crv`` of its description.
    algorithm : the only algorithm that it may be used with; ``None`` for any that fits.
    text : the key itself, as SubjectPublicKeyInfo in DER.
    key : the object that verifies.
    """

    kid: str | None
    kind: str
    curve: str | None
    algorithm: str | None
    text: bytes
    key: Any

    def fits(self, algorithm: str) -> bool:
        """Return whether a signature of this algorithm may be of this key (RFC 8725 3.1)."""
        kind, curves = _NEEDS[algorithm]
        return (
            self.kind == kind
            and (not curves or self.curve in curves)
            and self.algorithm in (None, algorithm)
        )


def read_keys(text: bytes) -> tuple[PublicKey, ...]:
    """Return the keys of a set that may verify signatures; others are passed over (RFC 7517 5).

    Raises
    ------
    ValueError : the text is not JSON, or the set has no such key.
    ImportError : the extra ``jwt`` is not installed.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the set of keys is no JSON: {error}") from error
    described = document.get("keys") if isinstance(document, dict) else None
    keys = tuple(_usable(described if isinstance(described, list) else []))
    if not keys:
        raise ValueError("the set has no public key that verifies signatures")
    return keys


def _usable(described: list[Any]) -> Iterator[PublicKey]:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    from jwt import PyJWK
    from jwt.exceptions import PyJWTError

    for one in described:
        if not isinstance(one, dict) or not _verifies(one):
            continue
        kind, curve, named = one.get("kty"), one.get("crv"), one.get("alg")
        if not isinstance(kind, str) or not isinstance(named, str | None):
            continue
        # Keys that are secrets have no algorithm here, because a published secret is none.
        algorithm = _any_algorithm(kind, curve) if named is None else named
        if algorithm not in _NEEDS:
            continue
        public = {name: value for name, value in one.items() if name not in _PRIVATE_MEMBERS}
        try:
            key = PyJWK(public, algorithm).key
        except (PyJWTError, ValueError, TypeError, KeyError, AttributeError):
            continue
        if kind == "RSA" and key.key_size < _MIN_RSA_BITS:
            continue
        kid = one.get("kid")
        yield PublicKey(
            kid if isinstance(kid, str) else None,
            kind,
            curve,
            named,
            key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
            key,
        )


def _verifies(described: Mapping[str, Any]) -> bool:
    operations = described.get("key_ops")
    return described.get("use", "sig") == "sig" and (
        operations is None or (isinstance(operations, list) and "verify" in operations)
    )


def _any_algorithm(kind: Any, curve: Any) -> str | None:
    """Return an algorithm for a key, which tells how its description is read."""
    return next(
        (
            algorithm
            for algorithm, (needed, curves) in _NEEDS.items()
            if kind == needed and (not curves or curve in curves)
        ),
        None,
    )
