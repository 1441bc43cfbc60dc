"""Django REST framework: a model of JSON fields with generic views, and HTTP Basic users."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
import uuid
from typing import Any
from urllib.parse import urlsplit

import django
from django.conf import settings
from operations import Peer

PEER = Peer(
    root="/v1/",
    collection="/v1/mushrooms",
    page_of_100="limit=100",
    sorted_page="size=3&ordering=-name&limit=20",
    is_wrapped=False,
    has_conditional_lists=False,
)
BACKENDS = ("postgresql", "sqlite")


def _database(backend: str, url: str) -> dict[str, Any]:
    if backend == "sqlite":
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": url.removeprefix("sqlite:///"),
            "OPTIONS": {"init_command": "PRAGMA journal_mode=wal; PRAGMA synchronous=normal"},
        }
    parts = urlsplit(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.lstrip("/"),
        "USER": parts.username,
        "HOST": parts.hostname,
        "PORT": parts.port,
        "CONN_MAX_AGE": None,
    }


def application(backend: str, url: str) -> Any:
    """Return the WSGI application."""
    settings.configure(
        SECRET_KEY="b4c96a8692291d88fe5a97dd91846eb4",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__,
        INSTALLED_APPS=["rest_framework"],
        DATABASES={"default": _database(backend, url)},
        ATOMIC_REQUESTS=True,
        USE_TZ=True,
        APPEND_SLASH=False,
        REST_FRAMEWORK={
            "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
            "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
            "UNAUTHENTICATED_USER": None,
        },
    )
    django.setup()
    _define()
    from django.core.wsgi import get_wsgi_application
    from django.db import connection

    with connection.schema_editor() as editor:
        if _names["Mushroom"]._meta.db_table not in connection.introspection.table_names():
            editor.create_model(_names["Mushroom"])
    return get_wsgi_application()


_names: dict[str, Any] = {}
urlpatterns: list[Any] = []


def _define() -> None:
    # Models and views can only be defined once the settings are there.
    from django.db import models
    from django.urls import path
    from rest_framework import authentication, generics, pagination, permissions, serializers, views
    from rest_framework.response import Response

    class Mushroom(models.Model):
        id = models.UUIDField(primary_key=True, default=uuid.uuid4)
        last_modified = models.BigIntegerField(db_index=True)
        owner = models.CharField(max_length=80)
        name = models.TextField()
        size = models.IntegerField(db_index=True)
        edible = models.BooleanField()
        notes = models.TextField()
        tags = models.JSONField()
        place = models.JSONField()

        class Meta:
            app_label = "bench"

    class User:
        is_authenticated = True

        def __init__(self, identifier: str) -> None:
            self.identifier = identifier

    class Basic(authentication.BaseAuthentication):
        def authenticate(self, request: Any) -> Any:
            kind, _, credentials = request.headers.get("Authorization", "").partition(" ")
            if kind.lower() != "basic":
                return None
            decoded = base64.b64decode(credentials)
            identifier = hmac.new(settings.SECRET_KEY.encode(), decoded, hashlib.sha256)
            return User(identifier.hexdigest()), None

        def authenticate_header(self, request: Any) -> str:
            return "Basic"

    class Serializer(serializers.ModelSerializer):
        tags = serializers.ListField()
        place = serializers.DictField()

        class Meta:
            model = Mushroom
            fields = ("id", "last_modified", "name", "size", "edible", "notes", "tags", "place")
            read_only_fields = ("id", "last_modified")

    def etag(response: Any, timestamp: int) -> Any:
        response["ETag"] = f'"{timestamp}"'
        response["Last-Modified"] = time.strftime(
            "%a, %d %b %Y %H:%M:%S GMT", time.gmtime(timestamp / 1000)
        )
        return response

    class Pages(pagination.LimitOffsetPagination):
        default_limit = None

        def get_paginated_response(self, data: Any) -> Any:
            return Response(data, headers={"Total-Records": str(self.count)})

    class Common:
        queryset = Mushroom.objects.all()
        serializer_class = Serializer
        authentication_classes = (Basic,)
        permission_classes = (permissions.IsAuthenticated,)
        pagination_class = Pages

        def now(self) -> int:
            return time.time_ns() // 1_000_000

        def perform_create(self, serializer: Any) -> None:
            serializer.save(owner=self.request.user.identifier, last_modified=self.now())

        def perform_update(self, serializer: Any) -> None:
            serializer.save(last_modified=self.now())

    class Collection(Common, generics.ListCreateAPIView):
        def get_queryset(self) -> Any:
            found = super().get_queryset()
            asked = self.request.query_params
            if "size" in asked:
                found = found.filter(size=int(asked["size"]))
            return found.order_by(asked.get("ordering", "-last_modified"))

        def list(self, request: Any, *args: Any, **kwargs: Any) -> Any:
            response = super().list(request, *args, **kwargs)
            last = Mushroom.objects.aggregate(models.Max("last_modified"))["last_modified__max"]
            return etag(response, last or 0)

    class Record(Common, generics.RetrieveUpdateAPIView):
        def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
            response = super().finalize_response(request, response, *args, **kwargs)
            return etag(response, response.data["last_modified"])

    class Hello(views.APIView):
        authentication_classes = (Basic,)

        def get(self, request: Any) -> Any:
            return Response({"project_name": "bench", "user": {"id": request.user.identifier}})

    _names["Mushroom"] = Mushroom
    urlpatterns.extend(
        [
            path("v1/", Hello.as_view()),
            path("v1/mushrooms", Collection.as_view()),
            path("v1/mushrooms/<uuid:pk>", Record.as_view()),
        ]
    )
