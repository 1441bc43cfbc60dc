"""Authentication policies, and the security policy that asks several of them in turn."""

from typing import TYPE_CHECKING, Any

from cliquet.core.lazy import load_name
from cliquet.security.authentication import (
    BasicAuthAuthenticationPolicy,
    IPAuthenticationPolicy,
    SecurityPolicy,
    effective_principals,
    is_private,
    on_policy_selected,
    prefixed_userid,
)

if TYPE_CHECKING:
    from cliquet.security.api_key_policy import APIKeyPolicy
    from cliquet.security.jwt_policy import JWTPolicy

__all__ = [
    "APIKeyPolicy",
    "BasicAuthAuthenticationPolicy",
    "IPAuthenticationPolicy",
    "JWTPolicy",
    "SecurityPolicy",
    "effective_principals",
    "is_private",
    "on_policy_selected",
    "prefixed_userid",
]

_POLICIES = {
    "APIKeyPolicy": "cliquet.security.api_key_policy",
    "JWTPolicy": "cliquet.security.jwt_policy",
}


def __getattr__(name: str) -> Any:
    """Import a policy that few services have at its first use."""
    return load_name(__name__, _POLICIES, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
