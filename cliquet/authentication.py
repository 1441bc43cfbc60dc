"""Authentication policies, and the security policy that asks several of them in turn."""

from cliquet.security.api_key_policy import APIKeyPolicy
from cliquet.security.authentication import (
    BasicAuthAuthenticationPolicy,
    IPAuthenticationPolicy,
    SecurityPolicy,
    effective_principals,
    is_private,
    on_policy_selected,
    prefixed_userid,
)
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
