"""Requests seen from within, and sub-requests (P-5, P-26.12 to P-26.22)."""

from typing import Any

import pytest
from pyramid.httpexceptions import (
    HTTPBadRequest,
    HTTPConflict,
    HTTPException,
    HTTPFound,
    HTTPServiceUnavailable,
)
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED
from pyramid.testing import DummyRequest
from support.shared_apps import make_app
from testapp import Mushroom
from webob.headers import EnvironHeaders

import cliquet
from cliquet import Service, utils
from cliquet.errors import http_error
from cliquet.testing.web import basic_auth
from cliquet.web import inherited, requests

PUBLIC = {"permission": NO_PERMISSION_REQUIRED}
MAT = "basicauth:9f2d363f98418b13253d6d7193fc88690302ab0ae21295521f6029dffe9dc3b0"


class MappedError(Exception):
    """Answered by a view of the application."""


def echo(request: Any) -> dict[str, Any]:
    return {
        "method": request.method,
        "body": request.text,
        "content_type": request.headers.get("Content-Type"),
        "content_length": request.headers.get("Content-Length"),
        "query": dict(request.GET),
        "item": request.matchdict.get("item"),
    }


def fail(request: Any) -> None:
    raise {
        "conflict": lambda: http_error(HTTPConflict(), errno=42, message="Short."),
        "mapped": MappedError,
        "crash": lambda: RuntimeError("a secret"),
        "maintenance": HTTPServiceUnavailable,
        "loop": lambda: HTTPFound("http://localhost/v0/fails/loop"),
        "moved": lambda: HTTPFound("http://localhost/v0/echo/here?a=b"),
    }[request.matchdict["error"]]()


def within(
    function: Any,
    *,
    path: str = "/v0/probe",
    method: str = "GET",
    settings: Any = None,
    headers: Any = None,
    **kwargs: Any,
) -> Any:
    """Call a function with a request, inside of an application, and return its result."""

    def probe(request: Any) -> dict[Any, Any]:
        results, asked = request.environ["tests.probe"]
        results.append(asked(request))
        return {}

    def configure(config: Any) -> None:
        for name, route, view in (
            ("probe", "/probe", probe),
            ("echo", "/echo/{item}", echo),
            ("fails", "/fails/{error}", fail),
        ):
            service = Service(name=name, path=route)
            for verb in ("GET", "POST", "PUT"):
                service.add_view(verb, view, **PUBLIC)
            config.add_cornice_service(service)
        config.add_view(
            lambda context, request: Response(json_body={"mapped": True}, status=418),
            context=MappedError,
        )

    app = make_app([Mushroom], settings=settings, configure=configure)
    results: list[Any] = []
    environ = {**kwargs.pop("extra_environ", {}), "tests.probe": (results, function)}
    app.request(path, method=method, headers=headers or {}, environ=environ, **kwargs)
    (result,) = results
    return result


def built(description: Any, **kwargs: Any) -> Any:
    """Return the sub-request that `build_request` makes in a request."""
    return within(lambda request: requests.build_request(request, description), **kwargs)


def followed(description: Any, **kwargs: Any) -> Any:
    """Return the response to a sub-request and the request that it answers, or what it raised."""

    def follow(request: Any) -> Any:
        subrequest = requests.build_request(request, description)
        try:
            return request.follow_subrequest(subrequest, use_tweens=False)
        except HTTPException as error:
            return error

    return within(follow, **kwargs)


# Public names


@pytest.mark.clause("P-1.2", "P-26.12", "P-26.13", "P-26.14", "P-26.18", "P-26.19", "P-26.20")
@pytest.mark.parametrize(
    "name",
    [
        "reapply_cors",
        "current_service",
        "current_resource_name",
        "build_request",
        "build_response",
        "follow_subrequest",
    ],
)
def test_the_helpers_are_published_by_utils(name: str) -> None:
    assert callable(getattr(utils, name))
    if name in cliquet.__all__:
        assert getattr(cliquet, name) is getattr(utils, name)


# The service and the resource of a request


@pytest.mark.clause("P-26.13", "P-5.6")
def test_the_service_is_the_one_of_the_matched_route() -> None:
    service, attribute = within(lambda r: (utils.current_service(r), r.current_service))
    assert service.name == "probe"
    assert attribute is service


@pytest.mark.clause("P-26.13")
def test_a_request_that_matched_nothing_has_no_service() -> None:
    assert (
        within(lambda r: utils.current_service(requests.build_request(r, {"path": "/x"}))) is None
    )


@pytest.mark.clause("P-34.20", "P-5.7", "P-26.14")
def test_outside_of_resources_there_is_no_resource_name() -> None:
    assert within(lambda r: (r.current_resource_name, utils.current_resource_name(r))) == (
        None,
        None,
    )


@pytest.mark.clause("P-5.7", "P-26.14")
def test_the_resource_name_is_the_one_of_the_viewset() -> None:
    names = []

    class Watched(Mushroom):
        def postprocess(self, *args: Any, **kwargs: Any) -> Any:
            names.append(
                (self.request.current_resource_name, utils.current_resource_name(self.request))
            )
            return super().postprocess(*args, **kwargs)

    app = make_app([(Watched, {"name": "fungus"})])
    app.get("/v0/fungus" + "s", headers=basic_auth())
    assert names == [("fungus", "fungus")]


@pytest.mark.clause("P-5.7", "P-5.6", "P-35.12")
def test_the_service_and_the_resource_name_are_assignable() -> None:
    def assign(request: Any) -> Any:
        request.current_resource_name = "other"
        request.current_service = "service"
        request.bound_data = {"a": 1}
        return request.current_resource_name, request.current_service, request.bound_data

    assert within(assign) == ("other", "service", {"a": 1})


# reapply_cors


@pytest.mark.clause("P-26.12")
def test_cors_headers_are_put_on_any_response() -> None:
    response = within(
        lambda request: requests.reapply_cors(request, Response()),
        headers={"Origin": "http://a.example"},
    )
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "Backoff" in response.headers["Access-Control-Expose-Headers"]


@pytest.mark.clause("P-26.12")
@pytest.mark.parametrize(
    ("origins", "allowed"), [("*", True), ("http://a.example", True), ("http://b.example", False)]
)
def test_without_service_the_origin_is_echoed_if_a_setting_allows_it(
    origins: str, allowed: bool
) -> None:
    def reapply(request: Any) -> Any:
        lost = requests.build_request(
            request, {"path": "/x", "headers": {"Origin": "http://a.example"}}
        )
        response = Response()
        assert requests.reapply_cors(lost, response) is response
        return response

    headers = within(reapply, settings={"cors_origins": origins}).headers
    assert headers.get("Access-Control-Allow-Origin") == ("http://a.example" if allowed else None)
    assert set(headers["Access-Control-Expose-Headers"].split(", ")) == set(
        Service.default_cors_headers
    )


# build_request


@pytest.mark.clause("P-26.21", "P-34.9")
@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("/mushrooms", "/v0/mushrooms"),
        ("/v0/mushrooms", "/v0/mushrooms"),
        ("/v0", "/v0"),
        ("/v0beta", "/v0/v0beta"),
        ("/v1/a", "/v0/v1/a"),
        ("/mushrooms?_since=42&a=b", "/v0/mushrooms?_since=42&a=b"),
        ("/mushrooms/é?é=ü", "/v0/mushrooms/%C3%A9?%C3%A9=%C3%BC"),
        ("/mushrooms/%C3%A9?a=%C3%A9", "/v0/mushrooms/%C3%A9?a=%C3%A9"),
        ("/a b", "/v0/a%20b"),
    ],
)
def test_the_path_gets_the_prefix_and_is_escaped(path: str, url: str) -> None:
    request = built({"path": path})
    assert request.path_qs == url
    assert request.url == f"http://localhost{url}"


@pytest.mark.clause("P-26.21")
def test_the_method_is_get_unless_given() -> None:
    assert built({"path": "/"}).method == "GET"
    assert built({"path": "/", "method": "PATCH"}).method == "PATCH"


@pytest.mark.clause("P-26.21", "P-35.11", "P-34.10")
@pytest.mark.parametrize(
    ("body", "sent"),
    [
        ({"data": {"é": 1}}, '{"data":{"é":1}}'.encode()),
        ({}, b"{}"),
        (b"\xff\x00", b"\xff\x00"),
        ("été", "été".encode()),
        ("", b""),
        (b"", b""),
        (None, b""),
    ],
)
def test_the_body_is_an_object_bytes_text_or_nothing(body: object, sent: bytes) -> None:
    request = built({"path": "/", "method": "POST", "body": body})
    assert request.body == sent
    if isinstance(body, dict):
        assert request.headers["Content-Type"] == "application/json; charset=utf-8"


@pytest.mark.clause("P-26.21", "P-35.10")
def test_given_headers_replace_those_of_the_original_in_any_case() -> None:
    request = built(
        {"path": "/", "headers": {"x-KEPT": b"caf\xc3\xa9", "X-New": "1"}},
        headers={"X-Kept": "old", "X-Other": "2"},
    )
    # On the wire: bytes as latin-1 text.
    assert request.headers["X-Kept"].encode("latin-1") == "café".encode()
    assert request.headers["X-New"] == "1"
    assert request.headers["X-Other"] == "2"


@pytest.mark.clause("P-26.21", "P-35.10")
def test_inherited_headers_stay_the_same_bytes() -> None:
    request = within(
        lambda request: requests.build_request(request, {"path": "/"}),
        extra_environ={"HTTP_X_KEPT": "caf\xc3\xa9"},
    )
    assert request.environ["HTTP_X_KEPT"] == "caf\xc3\xa9"


@pytest.mark.clause("P-34.10")
def test_the_length_of_the_original_is_not_inherited() -> None:
    request = built({"path": "/"}, method="POST", body=b'{"a": "long"}')
    assert not request.content_length
    assert request.body == b""


@pytest.mark.clause("P-26.21", "P-5.3", "P-5.4", "P-5.5", "P-5.8")
def test_a_sub_request_belongs_to_its_original() -> None:
    def look(request: Any) -> Any:
        request.bound_data["a"] = 1
        subrequest = requests.build_request(request, {"path": "/"})
        return (
            isinstance(subrequest, Request),
            subrequest.registry is request.registry,
            subrequest.parent is request,
            subrequest.bound_data is request.bound_data,
            hasattr(request, "parent"),
            callable(subrequest.follow_subrequest),
            callable(subrequest.get_resource_events),
            callable(subrequest.notify_resource_event),
            subrequest.prefixed_userid,
            subrequest.get_user_info(),
        )

    assert within(look) == (True, True, True, True, False, True, True, True, None, {"id": None})


@pytest.mark.clause("P-26.21")
def test_all_headers_are_inherited_under_the_names_that_webob_gives_them() -> None:
    request = Request.blank("/", headers={"X-Own-Name": "a", "Accept": "b"}, POST=b"{}")
    request.environ["HTTP_CONTENT_TYPE"] = "text/odd"
    request.environ["HTTP_X_BYTES"] = "café".encode()

    found = inherited.headers(request)

    assert found.pop("HTTP_X_BYTES") == "cafÃ©"
    named = {name.lower(): value for name, value in request.headers.items()}
    del named["x-bytes"], named["content-length"]
    assert {name.lower(): value for name, value in EnvironHeaders(found).items()} == named
    assert {"HTTP_X_OWN_NAME", "HTTP_ACCEPT", "CONTENT_TYPE", "HTTP_CONTENT_TYPE"} < set(found)


@pytest.mark.clause("P-26.21")
def test_the_headers_of_a_mock_are_inherited_too() -> None:
    mock = DummyRequest(headers={"X-Own-Name": "a", "X-Bytes": b"b"})

    assert inherited.headers(mock) == {"HTTP_X_OWN_NAME": "a", "HTTP_X_BYTES": "b"}


@pytest.mark.clause("P-26.21")
@pytest.mark.parametrize(
    "host", ["http://here", "https://here", "https://here:8443", "http://[::1]"]
)
@pytest.mark.parametrize(
    "item",
    [
        {"path": "/"},
        {"path": "/a b/%C3%A9/é;x=1?a=b c&d=%20;é", "headers": {"host": "other", "X-A": b"\xe9"}},
        {"path": "/", "method": "POST", "body": {"a": "é"}, "headers": {"content-type": "text/a"}},
        {"path": "/", "method": "PATCH", "body": [], "headers": {"content-type": "a/b"}},
        {"path": "/", "method": "PUT", "body": "é", "headers": {"Content-Length": "9"}},
        {"path": "/", "headers": {"Transfer-Encoding": "chunked", "Content_Type": "odd/one"}},
    ],
)
def test_the_environment_is_the_one_that_webob_makes_of_the_url(
    item: dict[str, Any], host: str
) -> None:
    def environs(request: Any) -> Any:
        request.environ.update({"HTTP_X_OWN": "1", "wsgi.url_scheme": host.partition(":")[0]})
        request.environ["HTTP_HOST"] = host.partition("//")[2]
        built = requests.build_request(request, item)
        of_webob = Request.blank(
            built.path_qs,
            base_url=request.host_url,
            method=built.method,
            headers=built.headers,
            body=built.body,
        )
        return dict(built.environ), dict(of_webob.environ)

    found, expected = within(environs)

    # These come from the original request.
    of_the_original = ("SERVER_NAME", "SERVER_PORT", "REMOTE_ADDR", "wsgi.input")
    for environ in (found, expected):
        for name in of_the_original:
            environ.pop(name, None)
    assert {name: found[name] for name in expected} == expected
    assert set(found) - set(expected) <= {
        "opentelemetry-pyramid.tracing_enabled_key",
        "tm.active",
        "tm.manager",
    }


# build_response


@pytest.mark.clause("P-26.19", "P-34.11")
@pytest.mark.parametrize(
    ("body", "described"),
    [
        (b'{"a": [1]}', {"a": [1]}),
        (b"<p>text</p>", "<p>text</p>"),
        (b"\xff", "\ufffd"),
        (b"", ""),
    ],
)
def test_a_response_is_described_as_json_can_carry_it(
    body: bytes, described: dict[str, Any] | str
) -> None:
    request = Request.blank("/v0/caf%C3%A9?a=b")
    response = Response(body, status=201, headers={"X-A": "b"})
    description = requests.build_response(response, request)
    assert description["path"] == "/v0/café"
    assert description["status"] == 201
    assert description["headers"]["X-A"] == "b"
    assert description["body"] == described


@pytest.mark.clause("P-26.19", "D-36")
@pytest.mark.parametrize(
    ("url", "path"),
    [("/a%2Fb%40?c=d", "/a/b@"), ("/caf%E9/%C3%A9", "/caf\ufffd/é"), ("/%F0%9F%90é", "/\ufffdé")],
)
def test_a_path_is_described_without_escapes_and_mount_point(url: str, path: str) -> None:
    request = Request.blank(url.replace("é", "%C3%A9"))
    request.environ["SCRIPT_NAME"] = "/mounted"

    assert requests.build_response(Response(b""), request)["path"] == path


@pytest.mark.clause("P-26.19")
def test_the_response_to_head_has_no_body() -> None:
    request = Request.blank("/", method="HEAD")
    assert requests.build_response(Response(b"{}"), request)["body"] == ""


# follow_subrequest


@pytest.mark.clause("P-26.22", "P-5.9")
def test_the_response_and_the_request_are_returned() -> None:
    response, request = followed(
        {"path": "/echo/a?b=c", "method": "POST", "body": {"d": 1}}, method="POST", body=b"{}"
    )
    assert response.json["method"] == "POST"
    assert response.json["body"] == '{"d":1}'
    assert response.json["query"] == {"b": "c"}
    assert request.path == "/v0/echo/a"


@pytest.mark.clause("P-26.22")
@pytest.mark.parametrize(
    ("path", "target"), [("/echo/a/", "/v0/echo/a"), ("/fails/moved", "/v0/echo/here")]
)
def test_a_redirection_is_followed_with_method_headers_and_body(path: str, target: str) -> None:
    def follow(request: Any) -> Any:
        request.bound_data["seen"] = True
        subrequest = requests.build_request(
            request, {"path": path, "method": "PUT", "body": {"d": 1}, "headers": {"X-A": "b"}}
        )
        response, used = request.follow_subrequest(subrequest, use_tweens=False)
        return response, used, request

    response, used, request = within(follow)
    assert used.path == target
    assert response.json["method"] == "PUT"
    assert response.json["body"] == '{"d":1}'
    assert used.headers["X-A"] == "b"
    assert used.parent is request
    assert used.bound_data is request.bound_data


@pytest.mark.clause("P-34.30")
def test_a_loop_of_redirections_ends_in_an_error() -> None:
    raised = followed({"path": "/fails/loop"})
    assert isinstance(raised, HTTPBadRequest)
    assert raised.json["errno"] == 107


@pytest.mark.clause("P-26.22")
@pytest.mark.parametrize(
    ("path", "status", "errno"),
    [("/fails/conflict", 409, 42), ("/mushrooms", 401, 104), ("/nothing", 404, 111)],
)
def test_an_error_is_raised_as_the_views_of_the_application_answer_it(
    path: str, status: int, errno: int
) -> None:
    raised = followed({"path": path})
    assert isinstance(raised, HTTPException)
    assert raised.code == status
    assert raised.json["errno"] == errno


@pytest.mark.clause("P-26.22", "P-20.7")
def test_an_exception_that_the_application_maps_is_raised_as_its_response() -> None:
    raised = followed({"path": "/fails/mapped"})
    assert isinstance(raised, HTTPException)
    assert raised.status_code == 418
    assert raised.json == {"mapped": True}


@pytest.mark.clause("P-26.22")
def test_an_error_of_500_or_more_is_raised_as_it_was() -> None:
    # The application around answers 500.
    def follow(request: Any) -> str:
        subrequest = requests.build_request(request, {"path": "/fails/crash"})
        with pytest.raises(RuntimeError, match="a secret"):
            request.follow_subrequest(subrequest, use_tweens=False)
        subrequest = requests.build_request(request, {"path": "/fails/maintenance"})
        with pytest.raises(HTTPServiceUnavailable):
            request.follow_subrequest(subrequest, use_tweens=False)
        return "both"

    assert within(follow) == "both"


@pytest.mark.clause("P-34.9")
@pytest.mark.parametrize(
    ("path", "stripped"),
    [
        ("/v0/a", "/a"),
        ("/v12/a/b", "/a/b"),
        ("/v1a/b", "/v1a/b"),
        ("/a/v1", "/a/v1"),
        ("/v0beta", "/v0beta"),
    ],
)
def test_only_a_whole_segment_is_a_prefix(path: str, stripped: str) -> None:
    assert utils.strip_uri_prefix(path) == stripped
