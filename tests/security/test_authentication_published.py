"""The example of the published configuration page, served as it is printed (S-16.7)."""

import json
import os
import re
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from servers.processes import ServerProcess, free_port

from cliquet.testing.web import basic_auth

HERE = Path(__file__).parent
MAT = "basicauth:9f2d363f98418b13253d6d7193fc88690302ab0ae21295521f6029dffe9dc3b0"

PUBLISHED = """
multiauth.policies = basicauth pyramid_persona ipauth

multiauth.policy.ipauth.use = pyramid_ipauth.IPAuthentictionPolicy
multiauth.policy.ipauth.ipaddrs = 192.168.0.*
multiauth.policy.ipauth.userid = LAN-user
multiauth.policy.ipauth.principals = trusted
"""

INI = """
[app:main]
use = call:toadstools:main
{published}
persona.secret = a secret
cliquet.storage_backend = cliquet.storage.memory
cliquet.cache_backend = cliquet.cache.memory
cliquet.permission_backend = cliquet.permission.memory
cliquet.toadstool_create_principals = trusted

[server:main]
use = egg:waitress#main
listen = 127.0.0.1:{port}
# The tests play the proxy of a network that has such addresses.
trusted_proxy = 127.0.0.1
trusted_proxy_headers = x-forwarded-for
clear_untrusted_proxy_headers = true

[loggers]
keys = root

[handlers]
keys = console

[formatters]
keys = plain

[logger_root]
level = INFO
handlers = console

[handler_console]
class = StreamHandler
args = (sys.stdout,)
formatter = plain

[formatter_plain]
format = %(message)s
"""


class Service(ServerProcess):
    """`pserve` with the published lines in its file."""

    def __init__(self, folder: Any) -> None:
        port = free_port()
        path = folder / "published.ini"
        path.write_text(INI.format(published=PUBLISHED, port=port))
        program = "from pyramid.scripts.pserve import main; main()"
        command = [sys.executable, "-c", program, str(path)]
        super().__init__(command, port, log_path=folder / "log")

    def send(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        form: Any = None,
        headers: Any = None,
        address: str = "10.0.0.7",
    ) -> Any:
        """Return the status, the headers and the body of an answer to a client elsewhere."""
        headers = {"X-Forwarded-For": address, **(headers or {})}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        elif form is not None:
            data = urllib.parse.urlencode(form).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", data, headers, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.status, response.headers, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, json.load(error)

    def user_id(self, **kwargs: Any) -> Any:
        return self.send("GET", "/v1/", **kwargs)[2].get("user", {}).get("id")


@pytest.fixture(scope="module")
def service(processes: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("published")
    python_path = [HERE / "stand_ins", HERE.parents[1] / "docs" / "example", os.getcwd()]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(str(path) for path in python_path))
        patch.delenv("PYTHONWARNINGS", raising=False)
        service = Service(folder)
        service.start()
    yield service
    service.stop()


@pytest.mark.clause("S-16.7", "S-16.4", "S-16.1")
@pytest.mark.setting("multiauth.policies", "multiauth.policy.{name}.use")
def test_each_policy_of_the_list_knows_its_users(service: Service) -> None:
    assert service.user_id() is None
    assert service.user_id(headers=basic_auth("mat", "1")) == MAT
    assert service.user_id(address="192.168.0.7") == "ipauth:LAN-user"
    assert service.user_id(address="192.168.1.7") is None


@pytest.mark.clause("S-16.7", "S-16.1")
def test_the_module_brings_its_views_with_its_policy(service: Service) -> None:
    status, headers, _ = service.send("POST", "/v1/login", form={"assertion": "ann@example.org"})
    assert status == 200
    cookie = {"Cookie": headers.get_all("Set-Cookie")[0].partition(";")[0]}

    ann = "pyramid_persona:ann@example.org"
    assert service.user_id(headers=cookie) == ann
    # It comes before the address in the list.
    assert service.user_id(headers=cookie, address="192.168.0.7") == ann
    assert service.user_id(headers={**cookie, **basic_auth("mat", "1")}) == MAT
    forged = {"Cookie": cookie["Cookie"] + "x"}
    assert service.user_id(headers=forged) is None

    _, headers, _ = service.send("POST", "/v1/logout", headers=cookie, form={})
    assert "Max-Age=0" in headers.get_all("Set-Cookie")[0]


@pytest.mark.clause("S-16.7", "S-17.1", "H-5.6")
def test_the_network_is_trusted_and_others_are_not(service: Service) -> None:
    body = {"data": {"name": "fly agaric", "is_deadly": False}}

    status, _, created = service.send("POST", "/v1/toadstools", body=body, address="192.168.0.7")
    assert (status, created["data"]["name"]) == (201, "fly agaric")
    assert created["permissions"] == {"write": ["ipauth:LAN-user"]}
    url = f"/v1/toadstools/{created['data']['id']}"
    assert service.send("GET", url, address="192.168.0.99")[0] == 200
    status, headers, _ = service.send("GET", url)
    assert (status, headers.get_all("WWW-Authenticate")[0]) == (401, 'Basic realm="Realm"')
    assert service.send("POST", "/v1/toadstools", body=body, headers=basic_auth())[0] == 403


@pytest.mark.clause("S-16.9", "S-18.3")
def test_lines_of_the_log_name_the_user_and_the_policy(service: Service) -> None:
    service.send("GET", "/v1/toadstools", address="192.168.0.42")

    # The renderer has coloured it.
    (line,) = [
        line
        for line in re.sub(r"\x1b\[\d+m", "", service.log_path.read_text()).splitlines()
        if line.startswith('"GET   /v1/toadstools" ')
    ][-1:]
    assert "authn_type=ipauth" in line
    assert "uid=LAN-user" in line
