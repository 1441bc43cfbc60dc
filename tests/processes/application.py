"""The application that the workers serve: the resources of other tests, on any backends."""

import itertools
from typing import Any

from support.sharing import Amanita, Toadstool
from testapp import RESOURCES
from webtest import TestApp

from cliquet.storage import generators
from cliquet.testing.web import make_app

LICHENS = "/v0/lichens"
SPORES = "/v0/spores"
TRUFFLES = "/v0/truffles"
GROWTHS = "/v0/growths"
AMANITAS = "/v0/amanitas"
TOADSTOOLS = "/v0/toadstools"

SETTINGS = {
    "userid_hmac_secret": "secret-of-the-tests",
    # Everybody may share something.
    "amanita_create_principals": "system.Authenticated",
    "toadstool_create_principals": "system.Authenticated",
}


def make_application(settings: Any) -> TestApp:
    """Return a WebTest client of an application on the backends that the settings name."""
    return make_app([*RESOURCES, Amanita, Toadstool], settings={**SETTINGS, **settings})


class OrderedIds(generators.Generator):
    """Makes ids that grow: records with equal sort keys come in the order of their creation."""

    regexp = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"

    def __init__(self, config: Any = None) -> None:
        self.numbers = itertools.count()
        super().__init__(config)

    def __call__(self) -> str:
        return f"0d000000-0000-4000-8000-{next(self.numbers):012x}"
