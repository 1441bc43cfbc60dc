"""How clients authenticate: the security schemes of the configured policies."""

from __future__ import annotations

from typing import Any, Final

from pyramid.interfaces import ISecurityPolicy
from pyramid.request import Request

from cliquet.openapi.components import Described

__all__ = ["Schemes"]

# Other schemes than these are not known to the tools that read the document.
_KNOWN: Final = ("basic", "bearer")


class Schemes:
    """The security schemes of a service.

    A policy may describe itself by an attribute ``security_scheme``, a Security Scheme Object of
    OpenAPI. The scheme of any other one is what its challenge in a 401 tells.

    Attributes
    ----------
    described : the schemes by the names of the policies.
    has_others : whether a policy recognises users by something that clients do not send, such as
        their address.
    """

    def __init__(self, request: Request) -> None:
        self.described: dict[str, Described] = {}
        self.has_others = False
        policy = request.registry.queryUtility(ISecurityPolicy)
        for number, one in enumerate(getattr(policy, "_policies", ())):
            name = getattr(one, "_pyramid_multiauth_name", None) or f"policy{number}"
            scheme = _scheme(one, request)
            if scheme is None:
                self.has_others = True
            else:
                self.described[name] = scheme

    def required(self, *, is_public: bool) -> list[dict[str, list[str]]]:
        """Return the requirement of an operation: one of the schemes.

        Parameters
        ----------
        is_public : whether a request without a user may be answered too.
        """
        needs: list[dict[str, list[str]]] = [{name: []} for name in self.described]
        return [*needs, {}] if is_public or self.has_others or not needs else needs


def _scheme(policy: Any, request: Request) -> Described | None:
    own = getattr(policy, "security_scheme", None)
    if isinstance(own, dict):
        return own
    challenges = [
        value for name, value in policy.forget(request) or () if name.lower() == "www-authenticate"
    ]
    if not challenges:
        return None
    scheme = challenges[0].partition(" ")[0]
    if scheme.lower() in _KNOWN:
        return {"type": "http", "scheme": scheme.lower()}
    return {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": f"The text `{scheme}`, a space, and the credentials.",
    }
