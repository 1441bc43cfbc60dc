"""Values of settings, as anybody may see them."""

import pytest

from cliquet.scripts.masking import MASK, shown


@pytest.mark.clause("E-7.2")
@pytest.mark.parametrize(
    "name",
    [
        "userid_hmac_secret",
        "sentry_dsn",
        "fxa-oauth.client_secret",
        "multiauth.policy.oauth.client_secret",
        "shop_password",
        "API_TOKEN",
        "private_key",
        "apikey",
    ],
)
def test_secrets_are_never_shown(name):
    assert shown(name, "s3cr3t") == MASK
    assert shown(name, ["s3cr3t"]) == MASK


@pytest.mark.clause("E-7.2")
def test_a_secret_that_is_missing_is_seen_to_be():
    assert shown("userid_hmac_secret", "") == ""


@pytest.mark.clause("E-7.2")
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("redis://:s3cr3t@host:1/0", f"redis://:{MASK}@host:1/0"),
        ("postgresql://u:s3c/r3t@h@host/db", f"postgresql://u:{MASK}@host/db"),
        ("postgresql://u@host/db", "postgresql://u@host/db"),
        ("http://host:8080/path", "http://host:8080/path"),
        ("http://host/?user=u&password=s3cr3t&x=1", f"http://host/?user=u&password={MASK}&x=1"),
        ("host=h password=s3cr3t dbname=d", f"host=h password={MASK} dbname=d"),
        ({"token": "s3cr3t"}, f"{{'token': '{MASK}'}}"),
        (["redis://:s3cr3t@a", "redis://:s3cr3t@b"], f"redis://:{MASK}@a redis://:{MASK}@b"),
    ],
)
def test_passwords_inside_values_are_masked(value, expected):
    assert shown("event_listeners.redis.url", value) == expected


@pytest.mark.clause("E-7.2")
@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, ""), (True, "true"), (10, "10"), (("a", "b"), "a b"), ("a\n  b", "a b")],
)
def test_values_are_written_in_one_line_as_in_files(value, expected):
    assert shown("includes", value) == expected
