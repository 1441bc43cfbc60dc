"""Values of settings, as anybody may see them."""

import time
from typing import Any

import pytest

from cliquet.scripts.settings import MASK, shown


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
        "multiauth.policy.x.client_secret",
        "multiauth.policy.ldap.bind_passwd",
        "event_listeners.hook.token",
        "aws.secret_access_key",
        "aws_access_key_id.key",
        "signing_key",
        "encryption-key",
        "session.cookie",
        "password_salt",
        "pepper",
        "shop.hmac",
        "jwt",
        "smtp_pwd",
        "db.credentials",
        "authorization",
        "slack_webhook",
        "passphrase",
        "tokens",
        "secret_2",
        "signature",
        "stripe.key",
    ],
)
def test_secrets_are_never_shown(name: str) -> None:
    assert shown(name, "s3cr3t") == MASK
    assert shown(name, ["s3cr3t"]) == MASK


@pytest.mark.clause("E-7.2")
@pytest.mark.parametrize(
    "name",
    [
        "id_generator",
        "storage_backend",
        "multiauth.policy.basicauth.use",
        "multiauth.policy.oauth.token_ttl",
        "multiauth.policy.oauth.token_url",
        "token_ttl_seconds",
        "secret_read_principals",
        "token_create_principals",
        "collection_token_get_enabled",
        "token_cache_expires_seconds",
        "password_min_length",
        "api_key_header",
        "ssl_key_file",
        "private_key_path",
        "public_key",
        "cache_key",
        "keyboard",
        "monkey_patch",
        "spin",
        "turnkey.mode",
        "cache_prefix",
        "eos_message",
        "tokenizer.use",
    ],
)
def test_what_is_about_secrets_or_only_sounds_like_one_is_shown(name: str) -> None:
    assert shown(name, "Plain words") == "Plain words"


@pytest.mark.clause("E-7.2")
def test_a_switch_is_no_secret() -> None:
    assert shown("shop.require_token", True) == "true"


@pytest.mark.clause("E-7.2")
def test_a_secret_that_is_missing_is_seen_to_be() -> None:
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
        ("memcached://:s3cr3t@host", f"memcached://:{MASK}@host"),
        ("redis://:s3 cr3t@host/0", f"redis://:{MASK}@host/0"),
        ("amqp://u:1234@host", f"amqp://u:{MASK}@host"),
        ("https://0123456789abcdef01@sentry.example/7", f"https://{MASK}@sentry.example/7"),
        ("first redis://h/0\n redis://u:s3cr3t@h/1", f"first redis://h/0 redis://u:{MASK}@h/1"),
        ("Server=h;Uid=u;Pwd=s3cr3t;", f"Server=h;Uid=u;Pwd={MASK};"),
        ("host=h password='two words' dbname=d", f"host=h password='{MASK}' dbname=d"),
        ('{"api_key": "s3cr3t", "n": 1}', f'{{"api_key": "{MASK}", "n": 1}}'),
        ("Authorization: Bearer s3cr3t", f"Authorization: {MASK}"),
        ("X-Api-Key: s3cr3t", f"X-Api-Key: {MASK}"),
        ("send Basic bWF0OjE= to it", f"send Basic {MASK} to it"),
        ("Cookie: session=s3cr3t", f"Cookie: {MASK}"),
        ("http://h/?sig=s3cr3t&x=1", f"http://h/?sig={MASK}&x=1"),
        ("http://h/?aws_secret_access_key=s3cr3t", f"http://h/?aws_secret_access_key={MASK}"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nMIIs3\ncr3t==\n-----END RSA PRIVATE KEY-----\nend",
            f"{MASK} end",
        ),
        ("-----BEGIN PRIVATE KEY----- MIIs3cr3t", MASK),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2VjcmV0", MASK),
        ("AKIAIOSFODNN7EXAMPLE", MASK),
        ("ghp_0123456789abcdefghij", MASK),
        ("xoxb-0123456789-abcdefghij", MASK),
        (
            "https://hooks.slack.com/services/T0/B0/s3cr3t",
            f"https://hooks.slack.com/services/{MASK}",
        ),
        ("5f4dcc3b5aa765d61d8327deb882cf99", MASK),
        ("wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY", MASK),
    ],
)
def test_passwords_inside_values_are_masked(
    value: dict[str, Any] | list[str] | str, expected: str
) -> None:
    assert shown("event_listeners.redis.url", value) == expected


@pytest.mark.clause("E-7.2")
@pytest.mark.parametrize(
    "value",
    [
        "http://localhost:8888/v1/",
        "http://a.example:80 mat@example.org",
        "fxa:mat@example.org",
        "cliquet.storage.generators.UUID4",
        "basicauth oauth",
        "basic authentication",
        "token_ttl=300",
        "f2a6f6c2-6a3e-4d3b-9a55-0a3a9a6f5e0b",
        "/var/lib/Service2/TheLongNameOfAFolderWith1Digit/data.db",
        "redis://localhost:6379/0?timeout=5",
        "postgresql://mat@localhost/db?sslmode=require",
        "Keys are in the safe; a token is not shown.",
        "sort_key=name",
        "-----BEGIN PUBLIC KEY-----",
        "group:readers group:writers",
    ],
)
def test_the_harmless_is_shown(value: str) -> None:
    assert shown("event_listeners.redis.url", value) == value


@pytest.mark.clause("E-7.2")
def test_a_long_value_takes_no_long_time() -> None:
    started = time.perf_counter()

    for text in ("a" * 100_000, "a.+" * 30_000, "://a:" * 2_000, "key" * 30_000, "=" * 100_000):
        shown("event_listeners.redis.url", text)

    assert time.perf_counter() - started < 20


@pytest.mark.clause("E-7.2")
@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, ""), (True, "true"), (10, "10"), (("a", "b"), "a b"), ("a\n  b", "a b")],
)
def test_values_are_written_in_one_line_as_in_files(value: object, expected: str) -> None:
    assert shown("includes", value) == expected
