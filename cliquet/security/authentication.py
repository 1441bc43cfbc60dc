"""Authentication: Basic Auth, and the security policy that asks several policies in turn."""

from __future__ import annotations

import os
import weakref
from hashlib import sha256
from typing import Any

from pyramid.authentication import BasicAuthAuthenticationPolicy as _PyramidBasicAuthPolicy
from pyramid.authentication import extract_http_basic_credentials
from pyramid.authorization import Authenticated, Everyone
from pyramid.interfaces import IAuthenticationPolicy, ISecurityPolicy
from pyramid.request import Request
from pyramid.security import NO_PERMISSION_REQUIRED
from pyramid_multiauth import MultiAuthIdentity, MultiAuthPolicySelected, MultiAuthSecurityPolicy
from zope.interface import implementer

from cliquet import settings, utils
from cliquet.core import announcing
from cliquet.core.announcing import told_once
from cliquet.core.globs import Exact
from cliquet.core.view_places import view_of
from cliquet.monitoring import logs
from cliquet.permission.known_permissions import checks_what_it_lists
from cliquet.security import authorization
from cliquet.security.ip_policy import IPAuthenticationPolicy
from cliquet.security.principals import names_of_user
from cliquet.security.sent_headers import sent

__all__ = [
    "BasicAuthAuthenticationPolicy",
    "IPAuthenticationPolicy",
    "SecurityPolicy",
    "effective_principals",
    "is_private",
    "on_policy_selected",
    "prefixed_userid",
]

# It is compared with the present method of the policy, which tests of applications replace
# (P-31.1).
_BUILT_IN_PERMITS = authorization.AuthorizationPolicy.permits
# The attribute that keeps the principals of a request.
_PRINCIPALS = "_cliquet_principals"

# Where the name of a policy is (``MultiAuthPolicySelected.policy_name``).
_POLICY_NAME = "_pyramid_multiauth_name"

_MAX_USERS = 1024
_KEY_BYTES = 64


def prefixed_userid(request: Request) -> str | None:
    """Return ``<policy>:<user id>``, or ``None`` until a policy has succeeded.

    Storage methods that take patterns read it as the name of one user, even if it contains a ``*``
    (X-29).
    """
    authn_type = getattr(request, "authn_type", None)
    if authn_type is None:
        return None
    return Exact(f"{authn_type}:{request.selected_userid}")


class _KnownUsers:
    """Ids of users by digests of the credentials that they have sent.

    To read credentials and to compute the HMAC of a user costs several times the digest. Neither
    the credentials nor anything from which they could be guessed is kept: the digest includes a
    random key, which never leaves the process.

    Attributes
    ----------
    ids : the ids by digest.
    """

    def __init__(self) -> None:
        # It begins with the key, and is copied for each text: that takes half as long.
        self._begun = sha256(os.urandom(_KEY_BYTES))
        self.ids: dict[bytes, str] = {}

    def digest(self, header: str, secret: str) -> bytes:
        """Return the digest of credentials.

        Parameters
        ----------
        header : value of ``Authorization``.
        secret : secret from which the ids are computed; with another secret, the id is another one.
        """
        digest = self._begun.copy()
        digest.update(f"{len(secret)} {secret}{header}".encode("utf-8", "surrogatepass"))
        return digest.digest()

    def add(self, digest: bytes, userid: str) -> None:
        """Remember a user; if there are too many, all the former ones are forgotten."""
        if len(self.ids) >= _MAX_USERS:
            self.ids.clear()
        self.ids[digest] = userid


class BasicAuthAuthenticationPolicy(_PyramidBasicAuthPolicy):  # type: ignore[misc]  # no types
    """Basic Auth that accepts any credentials: each pair is another user.

    It has the arguments ``realm`` and ``debug`` of the policy of Pyramid.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        def any_credentials(username: str, password: str, request: Request) -> list[str]:
            return []

        super().__init__(any_credentials, *args, **kwargs)
        self._known = _KnownUsers()

    def effective_principals(self, request: Request) -> list[str]:
        """Return nothing, because the security policy adds the principals of the user."""
        return []

    def authenticated_userid(self, request: Request) -> str | None:
        """Return the same as :meth:`unauthenticated_userid`, because any credentials are valid."""
        return self.unauthenticated_userid(request)

    def unauthenticated_userid(self, request: Request) -> str | None:
        """Return the HMAC of the credentials, or ``None`` without usable ones."""
        header = sent(request, "Authorization")
        if not header:
            return None
        # It is read several times in a request, but the hash is computed only once.
        known: tuple[str, str | None] | None = request.__dict__.get("_cliquet_basicauth")
        if known is not None and known[0] == header:
            return known[1]
        secret = settings.read(request.registry.settings, "userid_hmac_secret")
        digest = self._known.digest(header, secret)
        userid = self._known.ids.get(digest) or self._computed(request, secret, digest)
        request.__dict__["_cliquet_basicauth"] = (header, userid)
        return userid

    def _computed(self, request: Request, secret: str, digest: bytes) -> str | None:
        credentials = extract_http_basic_credentials(request)
        if credentials is None or not credentials.username:
            return None
        userid = utils.hmac_digest(secret, f"{credentials.username}:{credentials.password}")
        self._known.add(digest, userid)
        return userid


@implementer(ISecurityPolicy, IAuthenticationPolicy)
class SecurityPolicy(MultiAuthSecurityPolicy):  # type: ignore[misc]  # no types
    """The policies of ``multiauth.policies`` in turn, then the authorization policy.

    Applications of the original library expect more than its parent does: principals are a new list
    that the authorization policy may change, and groups are not looked up for a request
    that does not need them. Several policies need more too: a user that the group finder
    refuses is anonymous (S-16.5), and no id is a principal without the name of its policy (H-5.6).
    """

    def __init__(self, multiauth: MultiAuthSecurityPolicy) -> None:
        # The list of policies is filled when the configuration is committed, so that it must be
        # shared.
        super().__init__(multiauth._policies, multiauth._callback, multiauth._helper)

    def _compute_identity(self, request: Request) -> MultiAuthIdentity | None:
        for policy in self._policies:
            userid = policy.authenticated_userid(request)
            # Servers may give an empty `REMOTE_USER` to requests of anonymous users, and the ids of
            # some providers are JSON texts, which may contain what no stored key can.
            if userid is None or userid == "" or not utils.is_storable_key(userid):
                continue
            known = getattr(request.registry, "registrations", None)
            if known is not None and known.listeners(MultiAuthPolicySelected) == _ONLY_OWN:
                # Nobody else would see the event.
                _select(request, getattr(policy, _POLICY_NAME, None), userid)
            else:
                announcing.tell(request.registry, MultiAuthPolicySelected(policy, request, userid))
            if self._callback is authorization.groupfinder:
                # This group finder refuses nobody, so that groups are only looked up when they are
                # needed.
                return _LazyIdentity(userid, request)
            groups = [] if self._callback is None else self._callback(userid, request)
            if groups is not None:
                return MultiAuthIdentity(userid, groups)
        _forget_selected(request)
        return None

    def effective_principals(self, request: Request) -> set[str]:
        """Return every principal of the request, with the prefixed id of the user."""
        principals: set[str] | None = request.__dict__.get(_PRINCIPALS)
        if principals is None:
            found = {Everyone}.union(*(_added_by(policy, request) for policy in self._policies))
            identity = self.identity(request)
            if identity is not None:
                found |= {Authenticated, *identity.groups}
            userid = request.prefixed_userid
            principals = found.union(names_of_user(userid) if userid else ())
            request.__dict__[_PRINCIPALS] = principals
        return set(principals)

    def forget_principals(self, request: Request) -> None:
        """Let the principals of a request be found out again, for the same user."""
        request.__dict__.pop(_PRINCIPALS, None)
        identity = self.identity(request)
        if identity is not None and not isinstance(identity, _LazyIdentity) and self._callback:
            groups = self._callback(identity.userid, request)
            request._multiauth_identity = MultiAuthIdentity(identity.userid, groups)

    def unauthenticated_userid(self, request: Request) -> str | None:
        """Return the unchecked id of the first policy that finds one in the request."""
        found = (policy.unauthenticated_userid(request) for policy in self._policies)
        return next((userid for userid in found if userid is not None), None)

    @property
    def has_built_in_permissions(self) -> bool:
        """Whether the authorization policy judges as that of the library does."""
        return getattr(self._helper.permits, "__func__", None) is _BUILT_IN_PERMITS

    @property
    def has_built_in_policies(self) -> bool:
        """Whether all who recognise users are of the library, which looks at headers alone."""
        if self._callback not in (None, authorization.groupfinder):
            # It is given the request.
            return False
        # StatsD has stand-ins, which are of the library whatever they stand for.
        return all(p.__class__.__module__.startswith("cliquet.") for p in self._policies)

    def permits(self, request: Request, context: Any, permission: str) -> Any:
        """Ask the authorization policy, unless it is the built-in one and its answer is obvious.

        It is obvious if settings permit the request to everybody, to all users or to this user:
        the answer of the built-in policy does not need the groups of the user then.

        Raises
        ------
        TypeError : the built-in policy does not know the permission, because the context of the
            view is not one of the library.
        """
        # This is `has_built_in_permissions`: it is asked in each request.
        is_built_in = getattr(self._helper.permits, "__func__", None) is _BUILT_IN_PERMITS
        try:
            if is_built_in:
                if permission == authorization.PRIVATE:
                    return self.identity(request) is not None
                if self._is_permitted_by_settings(request, context, permission):
                    return True
            return self._helper.permits(
                context, list(self.effective_principals(request)), permission
            )
        except AttributeError as error:
            if not is_built_in or hasattr(context, "required_permission"):
                raise
            raise TypeError(
                f"{view_of(request)} has the permission {permission!r}, which is only known of a "
                "context such as cliquet.authorization.RouteFactory; allowed: "
                f"{authorization.PRIVATE!r}, NO_PERMISSION_REQUIRED, or a service with such a "
                "factory."
            ) from error

    def permits_all(self, request: Request, context: Any, permission: str) -> bool:
        """Return whether the built-in policy permits a request, whatever its object is."""
        if permission in (authorization.PRIVATE, NO_PERMISSION_REQUIRED):
            return permission != authorization.PRIVATE or self.identity(request) is not None
        if type(context) is not authorization.RouteFactory:
            return False
        allowed: list[str] = context.allowed_principals
        return bool(allowed) and self._names_sender(request, allowed)

    def permits_by_settings(
        self, request: Request, context: authorization.RouteFactory, required: str
    ) -> bool:
        """Return whether settings give the sender a permission on all objects of a resource."""
        allowed = context._principals_of_settings(required)
        return bool(allowed) and self._names_sender(request, allowed)

    def readers(self, request: Request) -> set[str] | None:
        """Return principals of which one must have ``read`` or ``write`` on a record to read it.

        ``None`` says that this is not enough to know: permissions depend on other objects, or on
        the backend.
        """
        backend = getattr(request.registry, "permission", None)
        if (
            getattr(self._helper, "get_bound_permissions", None) is not None
            or not checks_what_it_lists(backend)
            or getattr(backend, "is_written_after_records", True)
        ):
            return None
        return self.effective_principals(request)

    def _is_permitted_by_settings(self, request: Request, context: Any, permission: str) -> bool:
        if request.__dict__.get(_PRINCIPALS) is not None:
            # They are known already.
            return False
        if permission == authorization.DYNAMIC:
            # An application may have its own context.
            if (
                isinstance(context, authorization.RouteFactory)
                and context.is_undecided
                and all(self._names_sender(request, one) for one in context.grants_of_put())
            ):
                return True
            if context.required_permission is None:
                return False
        allowed = context.allowed_principals
        if allowed and Authenticated in allowed and self.identity(request) is not None:
            # Most settings say this.
            return True
        return bool(allowed) and self._names_sender(request, allowed)

    def _names_sender(self, request: Request, allowed: list[str]) -> bool:
        """Return whether principals are everybody, all users or this user, without its groups."""
        identity = self.identity(request)
        if Everyone in allowed or (identity is not None and Authenticated in allowed):
            return True
        userid = request.prefixed_userid
        return bool(userid) and any(name in allowed for name in names_of_user(userid))


class _LazyIdentity(MultiAuthIdentity):  # type: ignore[misc]  # no types
    """A user whose groups are only looked up when they are needed."""

    def __init__(self, userid: str, request: Request) -> None:
        self.userid = userid
        # The request refers to its user. A cycle would keep both, and all that belongs to them,
        # until the garbage collector comes.
        self._request_of = weakref.ref(request)

    @property
    def groups(self) -> list[str]:
        request = self._request_of()
        # Without its request, the user cannot be asked for it any more.
        return (
            [] if request is None else list(authorization.groupfinder(self.userid, request) or ())
        )


def _added_by(policy: Any, request: Request) -> set[str]:
    """Return the principals that a policy adds to those of the user.

    Policies of Pyramid also return the id of their user, without a prefix. A user of another
    policy, or one that the group finder refuses, must not have this principal.
    """
    added = set(policy.effective_principals(request)) - {Everyone, Authenticated}
    # This call may ask another server, so that it is not made for a policy that adds nothing.
    return added - {policy.authenticated_userid(request)} if added else added


def effective_principals(request: Request) -> list[str]:
    """Return every principal of the request."""
    policy = request.registry.queryUtility(ISecurityPolicy)
    if policy is None or not hasattr(policy, "effective_principals"):
        return [Everyone]
    return list(policy.effective_principals(request))


def is_private(request: Request) -> bool:
    """Return whether the answer to a request is only for its sender.

    This is so if the request has a user, or principals that a policy gives to clients without a
    user, such as those of a network.
    """
    if request.prefixed_userid is not None:
        return True
    # If the principals were never read, the answer does not depend on them.
    principals = request.__dict__.get(_PRINCIPALS)
    return principals is not None and principals != {Everyone}


@told_once
def on_policy_selected(event: MultiAuthPolicySelected) -> None:
    """Remember on the request the policy that recognised its user, and the user."""
    _select(event.request, event.policy_name, event.userid)


def _select(request: Request, policy_name: str | None, userid: Any) -> None:
    authn_type = (policy_name or "").lower()
    request.authn_type = authn_type
    request.selected_userid = userid
    logs.bind(uid=userid, authn_type=authn_type)


# The subscribers to the event of a policy, if nobody else wants to know of it.
_ONLY_OWN = (on_policy_selected,)


def _forget_selected(request: Request) -> None:
    """Undo :func:`on_policy_selected` if the group finder has refused the user (S-16.5)."""
    if getattr(request, "authn_type", None) is not None:
        del request.authn_type, request.selected_userid
        logs.bind(uid=None, authn_type=None)
