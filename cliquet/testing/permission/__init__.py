"""The contract of a permission backend, as tests that any backend can run.

::

    class TestMyPermission(PermissionContract):
        @pytest.fixture
        def permission(self): ...

The fixture gives an empty backend. If the writes of a backend do not join the transaction of the
request, its class has ``is_transactional = False``.
"""

from cliquet.testing.permission.accessible import AccessibleObjectsContract
from cliquet.testing.permission.aces import ACEsContract
from cliquet.testing.permission.changes import PermissionChangesContract
from cliquet.testing.permission.concurrency import PermissionConcurrencyContract
from cliquet.testing.permission.copying_grants import PermissionTransferContract
from cliquet.testing.permission.permission_heartbeat_contract import PermissionHeartbeatContract
from cliquet.testing.permission.principals import PrincipalsContract

__all__ = ["PermissionContract"]


class PermissionContract(
    PrincipalsContract,
    ACEsContract,
    PermissionChangesContract,
    AccessibleObjectsContract,
    PermissionConcurrencyContract,
    PermissionHeartbeatContract,
    PermissionTransferContract,
):
    """The behaviour of every permission backend."""
