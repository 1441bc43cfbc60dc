"""A primary and its synchronous standby, each of which takes the place of the other."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from servers.network_hosts import HERE, Host
from servers.postgresql import PostgreSQLProcess, running_postgresql
from servers.postgresql_standby import make_synchronous, promote, running_standby


class Pair:
    """Two servers, of which each acknowledged write is on both.

    Attributes
    ----------
    primary, standby : the servers that have these parts at the moment.
    """

    def __init__(self, hosts: Sequence[Host], stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self.primary: PostgreSQLProcess = stack.enter_context(
            running_postgresql(is_durable=True, host=hosts[0])
        )
        self.standby: PostgreSQLProcess = stack.enter_context(
            running_standby(self.primary, host=hosts[1])
        )
        make_synchronous(self.primary)
        self._former: Any = None

    def take_over(self) -> None:
        """Promote the standby; the primary is lost, and must not come back as one.

        Until there is another standby, its commits wait for nobody, as those of a tool for
        failovers do that prefers writes to a second copy.
        """
        promote(self.standby)
        self._former, self.primary = self.primary, self.standby

    def add_standby(self) -> None:
        """Make a new standby on the host and the port of the primary that was lost."""
        former = self._former
        former.crash()
        if former.host.has_cable:
            former.host.plug()
        self.standby = self._stack.enter_context(
            running_standby(self.primary, host=former.host, port=former.port)
        )
        make_synchronous(self.primary)


@contextlib.contextmanager
def running_pair(hosts: Sequence[Host] = (HERE, HERE)) -> Iterator[Pair]:
    """Start both servers, and end those that there are afterwards."""
    with contextlib.ExitStack() as stack:
        yield Pair(hosts, stack)
