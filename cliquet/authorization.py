"""Authorization: the policy, the group finder, and the context of a route."""

from cliquet.security.authorization import (
    DYNAMIC,
    PRIVATE,
    AuthorizationPolicy,
    RouteFactory,
    forget_granted,
    groupfinder,
    with_prefixed_userid,
)

__all__ = [
    "DYNAMIC",
    "PRIVATE",
    "AuthorizationPolicy",
    "RouteFactory",
    "forget_granted",
    "groupfinder",
    "with_prefixed_userid",
]
