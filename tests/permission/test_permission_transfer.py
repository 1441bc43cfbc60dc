"""The contract of copies: what a permission backend without them does."""

import pytest

from cliquet.permission import PermissionBase


@pytest.mark.clause("E-7.3")
def test_a_backend_of_the_published_interface_cannot_be_copied() -> None:
    permission = PermissionBase()

    assert not permission.is_transferable
    with pytest.raises(NotImplementedError):
        permission.export()
    with pytest.raises(NotImplementedError):
        permission.import_([], [])
