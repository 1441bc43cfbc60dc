"""What one application answered, with ids and timestamps replaced by their rank of appearance.

Two applications that behave alike have equal transcripts, whatever their ids and their clocks.
"""

import base64
import email.utils
import re
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlsplit

import orjson

ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
# Milliseconds since 1970 of this century; generated data hold no such number.
STAMP = re.compile(r"(?<![\d.])1[5-9]\d{11}(?![\d.])")
REFERENCE = re.compile(r"@(id|stamp|next):([^@]*):(\d+)@")
TOKEN = re.compile(r"(?<=_token=)[^&\">]+")
# At the end of a token with a total: the filters, in which timestamps may stand.
DIGEST = re.compile(r'"[0-9a-f]{16}"(?=\]\}\Z)')

SHARED = ("amanitas", "toadstools")


class Step(NamedTuple):
    """One request, in which ids, timestamps and pages are references to a transcript.

    Attributes
    ----------
    body : text, or ``None``.
    user : name of whoever sends it.
    parts : paths of the sub-requests of a batch.
    """

    method: str
    url: str
    user: str
    headers: dict
    body: str | None = None
    parts: tuple = ()


class Response(NamedTuple):
    """One response, normalised."""

    status: int
    headers: tuple
    body: str


def context_of(path: str, user: Any) -> Any:
    """Name the collection that a path belongs to: its timestamps are told apart by it."""
    name = urlsplit(path).path.removeprefix("/v0").strip("/").split("/")[0]
    return name if name in SHARED else f"{name}|{user}"


class Transcript:
    """The ids, timestamps and next pages of one application, by their rank of appearance.

    Attributes
    ----------
    ids : of all collections; `id_ranks` tells which of them each collection has named.
    stamps : by collection. The same number in two collections is a coincidence.
    pages, page_users : URLs of next pages, and who was given them.
    """

    def __init__(self) -> None:
        self.ids = []
        self.id_ranks = {}
        self.stamps = {}
        self.pages = []
        self.page_users = []

    def resolve(self, text: Any, *, in_json: bool = False) -> Any:
        """Replace references by the values of this application.

        Parameters
        ----------
        in_json : a timestamp is a number there, and not text.
        """

        def value(match: Any) -> str:
            kind, context, rank = match.groups()
            values = {"id": self.ids, "next": self.pages}.get(kind)
            if values is None:
                values = self.stamps[context]
            return str(values[int(rank)])

        if in_json:
            text = re.sub(r'"(@stamp:[^@]*:\d+@)"', r"\1", text)
        return REFERENCE.sub(value, text)

    def read(self, step: Any, status: Any, headers: Any, body: Any) -> Any:
        """Normalise a response, and remember what it names."""
        context = context_of(step.url, step.user)
        kept = [
            (name, self._header(name, value, headers, context))
            for name, value in headers.items()
            # Databases write the white space of a page, which is counted too.
            if name != "Content-Length"
        ]
        next_page = headers.get("Next-Page")
        if next_page is not None:
            self.pages.append(next_page.removeprefix("http://localhost"))
            self.page_users.append(step.user)
        if step.parts and status == 200:
            return Response(status, tuple(sorted(kept)), self._batch(step, body))
        return Response(status, tuple(sorted(kept)), self._normal(_compact(body), context))

    def _batch(self, step: Any, body: Any) -> Any:
        """Normalise each sub-response with the timestamps of its own collection."""
        content = orjson.loads(body)
        # Nothing is lost by reading and writing it.
        assert orjson.dumps(content).decode() == body
        for entry in content["responses"]:
            if "Last-Modified" in entry["headers"]:
                entry["headers"]["Last-Modified"] = _date(entry["headers"])
        pieces = [orjson.dumps(entry).decode() for entry in content["responses"]]
        contexts = [context_of(path, step.user) for path in step.parts]
        return "\n".join(
            self._normal(piece, context) for piece, context in zip(pieces, contexts, strict=True)
        )

    def _header(self, name: Any, value: Any, headers: Any, context: Any) -> Any:
        if name == "X-Request-Id":
            return "<an id>"
        if name == "Last-Modified":
            return _date(headers)
        return self._normal(value, context)

    def _normal(self, text: Any, context: Any) -> Any:
        text = TOKEN.sub(lambda match: self._token(match.group(), context), text)
        text = ID.sub(lambda match: f"<id {self._id_rank(match.group(), context)}>", text)
        stamps = self.stamps.setdefault(context, [])
        return STAMP.sub(lambda match: f"<stamp {_rank(stamps, int(match.group()))}>", text)

    def _token(self, token: Any, context: Any) -> str:
        content = DIGEST.sub('"<digest>"', base64.b64decode(unquote(token)).decode())
        return quote(self._normal(content, context), safe="<> ")

    def _id_rank(self, value: Any, context: Any) -> Any:
        rank = _rank(self.ids, value)
        _rank(self.id_ranks.setdefault(context, []), rank)
        return rank

    def order(self) -> dict[Any, Any]:
        """Return the ranks of the timestamps of each collection, in ascending order."""
        return {
            context: sorted(range(len(stamps)), key=stamps.__getitem__)
            for context, stamps in self.stamps.items()
        }


def _compact(body: str) -> str:
    """Return a body without the white space between its values."""
    try:
        return orjson.dumps(orjson.loads(body)).decode()
    except orjson.JSONDecodeError:
        return body


def _rank(values: Any, value: Any) -> Any:
    if value not in values:
        values.append(value)
    return values.index(value)


def _date(headers: Any) -> Any:
    """Compare the date of a response, in seconds, with its ETag."""
    moment = email.utils.parsedate_to_datetime(headers["Last-Modified"])
    seconds = int(headers["ETag"].strip('"')) // 1000
    return "<date of the ETag>" if moment.timestamp() == seconds else str(moment)
