"""The resources of :mod:`cliquet.testing.testapp.views`, under the name that is published."""

from cliquet.testing.testapp.views import Moisture, Mushroom, Psilo, Spore, Toadstool

__all__ = ["Moisture", "Mushroom", "Psilo", "Spore", "Toadstool"]
