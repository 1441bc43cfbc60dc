"""Step that sets up who may do what."""

from __future__ import annotations

from pyramid.config import Configurator
from pyramid.interfaces import PHASE2_CONFIG, ISecurityPolicy
from pyramid_multiauth import MultiAuthPolicySelected

from cliquet import settings
from cliquet.authentication import SecurityPolicy, effective_principals, on_policy_selected

__all__ = ["setup_authentication"]


def setup_authentication(config: Configurator) -> None:
    """Ask the policies of ``multiauth.policies``, in order (S-16)."""
    configured = config.get_settings()
    # `pyramid_multiauth` splits text, and knows no list.
    configured["multiauth.policies"] = " ".join(settings.read(configured, "multiauth.policies"))
    config.include("pyramid_multiauth")

    def replace_policy() -> None:
        registry = config.registry
        policy = SecurityPolicy(registry.getUtility(ISecurityPolicy))
        registry.registerUtility(policy, ISecurityPolicy)

    # Once the policy is registered, and before the first view asks for it.
    config.action("cliquet.security_policy", replace_policy, order=PHASE2_CONFIG + 1)
    config.add_request_method(effective_principals, property=True)
    config.add_subscriber(on_policy_selected, MultiAuthPolicySelected)
