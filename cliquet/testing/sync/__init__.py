"""A test of synchronisation for any backends: random steps, and devices that must converge.

Users create, share, change and delete records, and join and leave groups. Each of their devices
keeps a copy by the recipe of the documentation. After each synchronisation, a copy must be what its
user may read::

    from cliquet.testing.sync import Oracle, make_sync_app

    def test_devices_converge():
        app = make_sync_app({"storage_backend": "my_storage", ...})
        Oracle([app], seed=1).run(1000)

A failure names the seed and the step. ``Device`` is the client alone.
"""

from cliquet.testing.sync.application import URL, Morel, make_sync_app
from cliquet.testing.sync.device import Device, PlainDevice
from cliquet.testing.sync.oracle import Oracle

__all__ = ["URL", "Device", "Morel", "Oracle", "PlainDevice", "make_sync_app"]
