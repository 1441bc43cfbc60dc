"""Authentication: Basic Auth, and the security policy that asks several policies in turn."""

from cliquet.security.authentication import (
    BasicAuthAuthenticationPolicy,
    IPAuthenticationPolicy,
    SecurityPolicy,
    effective_principals,
    is_private,
    on_policy_selected,
    prefixed_userid,
)

__all__ = [
    "BasicAuthAuthenticationPolicy",
    "IPAuthenticationPolicy",
    "SecurityPolicy",
    "effective_principals",
    "is_private",
    "on_policy_selected",
    "prefixed_userid",
]
