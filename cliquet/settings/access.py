"""The settings about users, and about what they may do."""

from __future__ import annotations

from typing import Final

from cliquet.settings.model import Setting
from cliquet.settings.parsers import Boolean, Choice, List, Reference, Text

__all__ = ["ROWS"]

ROWS: Final[tuple[Setting, ...]] = (
    Setting(
        "multiauth.policies",
        List(),
        "basicauth",
        "Authentication policies, the first that knows the user wins.",
    ),
    Setting(
        "multiauth.policy.basicauth.use",
        Reference(),
        "cliquet.authentication.BasicAuthAuthenticationPolicy",
        "Class of the policy named basicauth.",
    ),
    Setting(
        "multiauth.authorization_policy",
        Reference(),
        "cliquet.authorization.AuthorizationPolicy",
        "Class that decides what a user may do.",
    ),
    Setting(
        "multiauth.groupfinder",
        Reference(),
        "cliquet.authorization.groupfinder",
        "Function that gives the further principals of a user.",
    ),
    Setting(
        "groups_enabled",
        Boolean(),
        False,
        "Whether users share groups of users as records at /groups; they need permissions like "
        "those of any resource.",
        version_added="3.2",
    ),
    Setting(
        "explicit_permissions",
        Boolean(),
        True,
        "Whether everybody who writes a shared record gets `write` on it; without it, only the "
        "user who creates it does.",
        version_added="3.2",
    ),
    Setting(
        "permissions_visible_to",
        Choice(("read", "write")),
        "read",
        "Permission that a user needs to see the principals of others on a shared record.",
        version_added="3.2",
    ),
    Setting(
        "explain_forbidden",
        Boolean(),
        False,
        "Whether the answer 403 says which permission on which object the request needs.",
        version_added="3.2",
    ),
    Setting(
        "userid_hmac_secret",
        Text(),
        "",
        "Secret that Basic Auth user ids derive from; users lose their data when it changes.",
        is_secret=True,
    ),
)
