"""Clients that are known by their address (S-16.7)."""

import ipaddress
import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from pyramid.interfaces import IAuthenticationPolicy
from pyramid.request import Request
from support.shared_apps import make_app
from support.sharing import Toadstool
from testapp import Mushroom
from webtest import TestApp
from webtest.http import StopableWSGIServer
from zope.interface.verify import verifyObject

from cliquet.authentication import IPAuthenticationPolicy
from cliquet.testing.web import basic_auth

pytestmark = pytest.mark.clause("S-16.7")

USE = "cliquet.authentication.IPAuthenticationPolicy"
LAN = {
    "multiauth.policies": "basicauth ipauth",
    "multiauth.policy.ipauth.use": USE,
    "multiauth.policy.ipauth.ipaddrs": "192.168.0.*",
    "multiauth.policy.ipauth.userid": "LAN-user",
    "multiauth.policy.ipauth.principals": "trusted",
}
MAT = "basicauth:9f2d363f98418b13253d6d7193fc88690302ab0ae21295521f6029dffe9dc3b0"
INSIDE, OUTSIDE = {"REMOTE_ADDR": "192.168.0.7"}, {"REMOTE_ADDR": "10.0.0.7"}


def request_from(address: Any) -> Any:
    return Request.blank("/", environ={} if address is None else {"REMOTE_ADDR": address})


def is_known(ipaddrs: Any, address: Any) -> bool:
    policy = IPAuthenticationPolicy(ipaddrs, userid="LAN-user")
    return policy.authenticated_userid(request_from(address)) == "LAN-user"


@pytest.mark.parametrize(
    ("ipaddrs", "inside", "outside"),
    [
        ("10.0.0.1", ["10.0.0.1"], ["10.0.0.2", "::1"]),
        ("10.1.0.0/16", ["10.1.0.0", "10.1.255.255"], ["10.0.255.255", "10.2.0.0"]),
        ("10.0.0.9-10.0.1.2", ["10.0.0.9", "10.0.0.255", "10.0.1.2"], ["10.0.0.8", "10.0.1.3"]),
        ("10.0.0.9 - 10.0.1.2", ["10.0.1.0"], ["10.0.0.8"]),
        ("192.168.0.*", ["192.168.0.0", "192.168.0.255"], ["192.168.1.0", "192.167.0.1"]),
        ("10.*.*.*", ["10.0.0.0", "10.255.255.255"], ["9.255.255.255", "11.0.0.0"]),
        ("*.*.*.*", ["1.2.3.4"], ["::1"]),
        ("::1", ["::1", "0:0:0:0:0:0:0:1"], ["::2", "0.0.0.1"]),
        ("2001:db8::/32", ["2001:db8:ffff::1"], ["2001:db9::"]),
        ("fe80::1-fe80::3", ["fe80::2", "fe80::2%eth0"], ["fe80::4"]),
        ("10.0.0.1,10.0.0.2\n 10.0.0.4", ["10.0.0.1", "10.0.0.2", "10.0.0.4"], ["10.0.0.3"]),
        (["10.0.0.1", ipaddress.ip_network("10.1.0.0/16")], ["10.0.0.1", "10.1.2.3"], ["10.2.0.0"]),
        (("10.0.0.1 - 10.0.0.3",), ["10.0.0.2"], ["10.0.0.4"]),
        # IPv4 written as IPv6: what a server that listens to both sees.
        ("10.0.0.0/8", ["::ffff:10.1.2.3", "::ffff:0a01:0203"], ["::ffff:11.0.0.1", "::10.0.0.1"]),
        ("::ffff:10.0.0.1", ["10.0.0.1", "::ffff:10.0.0.1"], ["10.0.0.2"]),
        ("::ffff:10.0.0.0/120", ["10.0.0.9"], ["10.0.1.0"]),
        ("::/0", ["::1", "2001:db8::"], ["10.0.0.1", "::ffff:10.0.0.1"]),
    ],
    ids=str,
)
def test_addresses_networks_ranges_and_patterns(
    ipaddrs: list[Any] | str | tuple[Any, ...], inside: list[Any], outside: list[Any]
) -> None:
    assert [address for address in inside if not is_known(ipaddrs, address)] == []
    assert [address for address in outside if is_known(ipaddrs, address)] == []


@pytest.mark.parametrize(
    "ipaddrs",
    [
        *("10.0.0.256", "10.0.0", "10.0.0.0/33", "10.0.0.1/8", "lan", "127"),
        *("10.*.0.1", "10.0.*", "*", "300.0.0.*", "10.0.0.*/24"),
        *("10.0.0.9-10.0.0.1", "10.0.0.1-::1", "10.0.0.1-", "10.0.0.1-9", "10.0.0.1 10.0.0.x"),
        *("", " , ", [], None),
    ],
)
def test_what_is_no_address_is_refused(ipaddrs: Any) -> None:
    with pytest.raises(ValueError, match=r"^ipaddrs has "):
        IPAuthenticationPolicy(ipaddrs)


@pytest.mark.parametrize("address", [None, "", "localhost", "unix:", "10.0.0.1:80", "é", "10.0.0"])
def test_a_client_without_usable_address_is_not_known(address: str | None) -> None:
    policy = IPAuthenticationPolicy("*.*.*.*, ::/0", "LAN-user", "trusted")

    assert policy.authenticated_userid(request_from(address)) is None
    assert policy.effective_principals(request_from(address)) == []


@pytest.mark.parametrize(
    ("principals", "expected"),
    [
        (None, []),
        ("trusted", ["trusted"]),
        ("trusted, group:lan\nstaff", ["trusted", "group:lan", "staff"]),
        (["trusted", "group:lan"], ["trusted", "group:lan"]),
        (("1", 2), ["1", "2"]),
        (42, ["42"]),
    ],
)
def test_principals_are_text_or_a_list(principals: Any, expected: list[Any]) -> None:
    policy = IPAuthenticationPolicy("10.0.0.1", principals=principals)

    assert policy.effective_principals(request_from("10.0.0.1")) == expected
    assert policy.effective_principals(request_from("10.0.0.2")) == []


@pytest.mark.parametrize(
    ("userid", "expected"), [(None, None), ("", None), (False, None), (42, "42"), ("ann", "ann")]
)
def test_the_user_is_text_or_absent(userid: Any, expected: str | None) -> None:
    policy = IPAuthenticationPolicy("10.0.0.1", userid=userid)

    assert policy.authenticated_userid(request_from("10.0.0.1")) == expected
    assert policy.unauthenticated_userid(request_from("10.0.0.1")) == expected


def test_it_is_a_policy_of_pyramid_that_sends_no_headers() -> None:
    policy = IPAuthenticationPolicy("10.0.0.1", "ann")

    assert verifyObject(IAuthenticationPolicy, policy)
    assert policy.remember(request_from("10.0.0.1"), "ann", max_age=1) == []
    assert policy.forget(request_from("10.0.0.1")) == []


# In a service


def user_of(app: TestApp, environ: Any, headers: Any = None) -> Any:
    user = app.get("/v0/", headers=headers, extra_environ=environ, status=200).json.get("user")
    return user and user["id"]


@pytest.fixture(scope="module")
def lan_app() -> TestApp:
    return make_app(
        [Mushroom, Toadstool], settings={**LAN, "toadstool_create_principals": "trusted"}
    )


@pytest.mark.clause("S-16.4", "H-4.2", "H-4.3")
@pytest.mark.setting("multiauth.policies", "multiauth.policy.{name}.{option}")
def test_clients_of_the_network_are_one_user_unless_another_policy_knows_them(
    lan_app: TestApp,
) -> None:
    assert user_of(lan_app, INSIDE) == "ipauth:LAN-user"
    assert user_of(lan_app, OUTSIDE) is None
    assert user_of(lan_app, INSIDE, basic_auth("mat", "1")) == MAT
    assert user_of(lan_app, OUTSIDE, basic_auth("mat", "1")) == MAT
    assert user_of(lan_app, {"REMOTE_ADDR": ""}) is None


@pytest.mark.clause("S-16.4", "H-5.2")
def test_clients_of_the_network_share_their_records(lan_app: TestApp) -> None:
    record = lan_app.post_json("/v0/mushrooms", {"data": {"name": "cep"}}, extra_environ=INSIDE)
    url = f"/v0/mushrooms/{record.json['data']['id']}"

    lan_app.get(url, extra_environ={"REMOTE_ADDR": "192.168.0.99"}, status=200)
    lan_app.get(url, extra_environ=INSIDE, headers=basic_auth("mat", "1"), status=404)
    refused = lan_app.get(url, extra_environ=OUTSIDE, status=401)
    # An address has no challenge.
    assert refused.headers.getall("WWW-Authenticate") == ['Basic realm="Realm"']


@pytest.mark.clause("H-5.6", "S-17.2")
@pytest.mark.setting("multiauth.policy.{name}.{option}")
def test_its_principals_are_those_of_every_request_from_the_network(lan_app: TestApp) -> None:
    body = {"data": {"name": "fly agaric"}}
    mat = basic_auth("mat", "1")

    lan_app.post_json("/v0/toadstools", body, extra_environ=INSIDE, status=201)
    lan_app.post_json("/v0/toadstools", body, extra_environ=INSIDE, headers=mat, status=201)
    lan_app.post_json("/v0/toadstools", body, extra_environ=OUTSIDE, headers=mat, status=403)
    lan_app.post_json("/v0/toadstools", body, extra_environ=OUTSIDE, status=401)


@pytest.mark.clause("H-5.16")
def test_principals_without_user_let_in_without_making_anybody_a_user() -> None:
    settings = {
        **LAN,
        "multiauth.policy.ipauth.userid": "",
        "toadstool_create_principals": "trusted",
        "toadstool_read_principals": "trusted",
    }
    app = make_app([Mushroom, Toadstool], settings=settings)

    app.post_json("/v0/toadstools", {"data": {"name": "x"}}, extra_environ=INSIDE, status=201)
    assert len(app.get("/v0/toadstools", extra_environ=INSIDE).json["data"]) == 1
    app.get("/v0/mushrooms", extra_environ=INSIDE, status=401)
    assert user_of(app, INSIDE) is None


@pytest.mark.clause("H-25.14")
def test_the_requests_of_a_batch_come_from_where_the_batch_does(lan_app: TestApp) -> None:
    batch = {
        "requests": [
            {"path": "/"},
            {"path": "/", "headers": basic_auth("mat", "1")},
            # A header is not an address.
            {"path": "/", "headers": {"X-Forwarded-For": "10.0.0.7", "Remote-Addr": "10.0.0.7"}},
        ]
    }

    answers = lan_app.post_json("/v0/batch", batch, extra_environ=INSIDE).json["responses"]
    others = lan_app.post_json("/v0/batch", batch, extra_environ=OUTSIDE).json["responses"]

    assert [answer["body"]["user"]["id"] for answer in answers] == [
        "ipauth:LAN-user",
        MAT,
        "ipauth:LAN-user",
    ]
    assert ["user" in answer["body"] for answer in others] == [False, True, False]


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Real-IP", "Forwarded", "Client-IP"])
def test_no_header_of_a_client_is_believed(lan_app: TestApp, header: str) -> None:
    value = "for=192.168.0.7" if header == "Forwarded" else "192.168.0.7"

    assert user_of(lan_app, OUTSIDE, {header: value}) is None


@pytest.mark.parametrize("name", ["IPAuthentictionPolicy", "IPAuthenticationPolicy"])
@pytest.mark.setting("multiauth.policy.{name}.use")
def test_the_class_of_pyramid_ipauth_is_ours_where_that_package_cannot_be_imported(
    name: str,
) -> None:
    app = make_app(settings={**LAN, "multiauth.policy.ipauth.use": f"pyramid_ipauth.{name}"})

    assert user_of(app, INSIDE) == "ipauth:LAN-user"
    # What the deployer wrote stays what applications read.
    assert app.app.registry.settings["multiauth.policy.ipauth.use"] == f"pyramid_ipauth.{name}"


def test_the_class_of_pyramid_ipauth_is_its_own_where_it_can_be_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.joinpath("pyramid_ipauth.py").write_text(
        "from cliquet.authentication import IPAuthenticationPolicy as Ours\n"
        "class IPAuthentictionPolicy(Ours):\n"
        "    def authenticated_userid(self, request):\n"
        "        return 'theirs'\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))

    app = make_app(
        settings={**LAN, "multiauth.policy.ipauth.use": "pyramid_ipauth.IPAuthentictionPolicy"}
    )

    assert user_of(app, OUTSIDE) == "ipauth:theirs"


@pytest.mark.parametrize(
    ("trusted", "user"),
    [
        ({}, None),
        (
            {"trusted_proxy": "127.0.0.1", "trusted_proxy_headers": "x-forwarded-for"},
            {"id": "ipauth:LAN-user"},
        ),
    ],
    ids=["no proxy", "trusted proxy"],
)
def test_the_server_says_which_proxy_may_give_the_address(
    trusted: dict[str, Any], user: dict[str, Any] | None
) -> None:
    app = make_app(settings=LAN).app
    server = StopableWSGIServer.create(app, clear_untrusted_proxy_headers=True, **trusted)
    try:
        headers = {"X-Forwarded-For": "10.0.0.1, 192.168.0.7"}
        request = urllib.request.Request(f"{server.application_url}v0/", headers=headers)
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = json.load(response)
    finally:
        server.shutdown()

    assert answer.get("user") == user
