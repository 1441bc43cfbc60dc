import pytest

from cliquet.storage import exceptions


@pytest.mark.clause("B-2.1", "B-2.3", "B-2.4", "B-21.7", "P-29.2")
def test_the_tree_of_exceptions() -> None:
    assert exceptions.BackendError.__bases__ == (Exception,)
    assert exceptions.ReadonlyError.__bases__ == (exceptions.BackendError,)
    assert exceptions.RecordNotFoundError.__bases__ == (Exception,)
    assert exceptions.ObjectNotFoundError.__bases__ == (exceptions.RecordNotFoundError,)
    assert exceptions.IntegrityError.__bases__ == (Exception,)
    assert exceptions.UnicityError.__bases__ == (exceptions.IntegrityError,)


@pytest.mark.clause("B-2.2", "P-29.2")
def test_a_backend_error_says_what_the_driver_said() -> None:
    original = ValueError("Pool Error")

    error = exceptions.BackendError(original)

    assert error.original is original
    assert str(error) == "ValueError: Pool Error"
    assert not error.retryable


@pytest.mark.clause("B-2.2", "P-29.2")
def test_the_message_of_a_backend_error_can_be_given() -> None:
    error = exceptions.BackendError(ValueError("Pool Error"), message="No room.")

    assert str(error) == "No room."
    assert isinstance(error.original, ValueError)
    assert exceptions.BackendError(message="No room.").original is None


@pytest.mark.clause("B-2.4", "P-29.2")
def test_a_unicity_error_names_the_field_and_the_record() -> None:
    record = {"id": "mine", "phone": "1"}

    error = exceptions.UnicityError("phone", record)

    assert error.field == "phone"
    assert error.record is record
    assert str(error) == error.msg
    assert "phone" in error.msg
    assert "mine" in error.msg
