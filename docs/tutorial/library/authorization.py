"""Who may do what: a permission on a shelf holds for its books too."""

from __future__ import annotations

from cliquet import authorization


class AuthorizationPolicy(authorization.AuthorizationPolicy):
    def get_bound_permissions(self, object_uri: str, permission: str) -> list[tuple[str, str]]:
        """Return the pairs of which one is enough to have a permission on an object."""
        shelf = "/".join(object_uri.split("/")[:3])
        return [(uri, name) for uri in (object_uri, shelf) for name in (permission, "write")]
