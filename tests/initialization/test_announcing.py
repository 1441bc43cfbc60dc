"""What a service says when it starts."""

import pytest
from logged import capture_logs

from cliquet.testing.web import make_app


@pytest.fixture
def warnings():
    """Start a service, and give the texts of its warnings."""

    def started(settings):
        with capture_logs() as entries:
            make_app(settings=settings)
        return [entry for entry in entries if entry["log_level"] == "warning"]

    return started


@pytest.mark.clause("E-7.2")
def test_unknown_settings_are_told_with_the_nearest_name(warnings):
    (warning,) = warnings({"cliquet.pagniate_by": 5, "cliquet.userid_hmac_secret": "b4c96a"})

    assert warning["settings"] == [
        "unknown setting cliquet.pagniate_by; did you mean cliquet.paginate_by?"
    ]


@pytest.mark.clause("E-7.2")
def test_known_settings_and_those_of_the_application_are_not(warnings):
    settings = {
        "cliquet.paginate_by": 5,
        "cliquet.record_mushroom_put_enabled": False,
        "mushroom_colour": "red",
        "pyramid.includes": "",
    }

    assert warnings({**settings, "userid_hmac_secret": "b4c96a"}) == []


@pytest.mark.clause("S-16.3")
@pytest.mark.setting("userid_hmac_secret")
def test_basic_auth_without_secret_is_told(warnings):
    (warning,) = warnings({"userid_hmac_secret": ""})

    assert "userid_hmac_secret is empty" in warning["event"]


@pytest.mark.clause("S-16.3")
@pytest.mark.parametrize(
    "settings",
    [
        {"multiauth.policies": "none", "multiauth.policy.none.use": "test_announcing.Nobody"},
        {"multiauth.policy.basicauth.use": "test_announcing.Nobody"},
    ],
)
def test_other_policies_need_no_secret(warnings, settings):
    assert warnings({"userid_hmac_secret": "", **settings}) == []


class Nobody:
    """A policy that knows no user."""

    def authenticated_userid(self, request):
        return None

    unauthenticated_userid = authenticated_userid

    def effective_principals(self, request):
        return []

    def forget(self, request):
        return []
