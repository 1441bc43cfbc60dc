"""FastAPI with SQLAlchemy (asyncio) on asyncpg or aiosqlite, and HTTP Basic users."""

import contextlib
import hashlib
import hmac
import time
import uuid
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Response
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from operations import Peer
from pydantic import BaseModel
from sqlalchemy import JSON, BigInteger, func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

PEER = Peer(
    root="/v1/",
    collection="/v1/mushrooms",
    page_of_100="limit=100",
    sorted_page="size=3&order=-name&limit=20",
    is_wrapped=False,
    has_conditional_lists=False,
)
BACKENDS = ("postgresql", "sqlite")
SECRET = b"b4c96a8692291d88fe5a97dd91846eb4"
IS_ASGI = True


class Base(DeclarativeBase):
    pass


class Mushroom(Base):
    __tablename__ = "mushrooms"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    last_modified: Mapped[int] = mapped_column(BigInteger, index=True)
    owner: Mapped[str]
    name: Mapped[str]
    size: Mapped[int] = mapped_column(index=True)
    edible: Mapped[bool]
    notes: Mapped[str]
    tags: Mapped[Any] = mapped_column(JSON)
    place: Mapped[Any] = mapped_column(JSON)


class Fields(BaseModel):
    name: str
    size: int
    edible: bool
    notes: str
    tags: list[str]
    place: dict[str, Any]


class Changes(BaseModel):
    name: str | None = None
    size: int | None = None
    edible: bool | None = None
    notes: str | None = None
    tags: list[str] | None = None
    place: dict[str, Any] | None = None


class Stored(Fields):
    model_config = {"from_attributes": True}
    id: uuid.UUID
    last_modified: int


def _now() -> int:
    return time.time_ns() // 1_000_000


def _mark(response: Response, timestamp: int) -> None:
    response.headers["ETag"] = f'"{timestamp}"'
    response.headers["Last-Modified"] = time.strftime(
        "%a, %d %b %Y %H:%M:%S GMT", time.gmtime(timestamp / 1000)
    )


def application(backend: str, url: str) -> Any:
    """Return the ASGI application."""
    driver = {"postgresql": "postgresql+asyncpg", "sqlite": "sqlite+aiosqlite"}[backend]
    engine = create_async_engine(driver + url[url.index("://") :], pool_size=20)
    sessions = async_sessionmaker(engine, expire_on_commit=False)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        yield
        await engine.dispose()

    app = FastAPI(lifespan=lifespan)
    basic = HTTPBasic()

    async def session() -> AsyncIterator[AsyncSession]:
        async with sessions() as opened:
            yield opened

    def user(credentials: Annotated[HTTPBasicCredentials, Depends(basic)]) -> str:
        message = f"{credentials.username}:{credentials.password}".encode()
        return hmac.new(SECRET, message, hashlib.sha256).hexdigest()

    async def existing(
        record_id: uuid.UUID, database: Annotated[AsyncSession, Depends(session)]
    ) -> Mushroom:
        found = await database.get(Mushroom, record_id)
        if found is None:
            raise HTTPException(404)
        return found

    Database = Annotated[AsyncSession, Depends(session)]  # noqa: N806 (a type)
    User = Annotated[str, Depends(user)]  # noqa: N806 (a type)
    Existing = Annotated[Mushroom, Depends(existing)]  # noqa: N806 (a type)

    @app.get("/v1/")
    async def hello(user_id: User) -> dict[str, Any]:
        return {"project_name": "bench", "user": {"id": user_id}}

    @app.get("/v1/mushrooms")
    async def listing(
        user_id: User,
        database: Database,
        response: Response,
        limit: int = 100,
        size: int | None = None,
        order: str = "-last_modified",
    ) -> list[Stored]:
        column = getattr(Mushroom, order.lstrip("-"))
        condition = True if size is None else Mushroom.size == size
        statement = (
            select(Mushroom)
            .where(condition)
            .order_by(column.desc() if order.startswith("-") else column)
            .limit(limit)
        )
        found = (await database.scalars(statement)).all()
        total = await database.scalar(select(func.count()).select_from(Mushroom).where(condition))
        last = await database.scalar(select(func.max(Mushroom.last_modified)))
        response.headers["Total-Records"] = str(total)
        _mark(response, last or 0)
        return [Stored.model_validate(one) for one in found]

    @app.post("/v1/mushrooms", status_code=201)
    async def create(
        fields: Fields, user_id: User, database: Database, response: Response
    ) -> Stored:
        made = Mushroom(**fields.model_dump(), owner=user_id, last_modified=_now())
        database.add(made)
        await database.commit()
        _mark(response, made.last_modified)
        return Stored.model_validate(made)

    @app.get("/v1/mushrooms/{record_id}")
    async def get(user_id: User, found: Existing, response: Response) -> Stored:
        _mark(response, found.last_modified)
        return Stored.model_validate(found)

    async def change(
        found: Mushroom, changes: dict[str, Any], database: AsyncSession, response: Response
    ) -> Stored:
        for name, value in changes.items():
            setattr(found, name, value)
        found.last_modified = _now()
        await database.commit()
        _mark(response, found.last_modified)
        return Stored.model_validate(found)

    @app.put("/v1/mushrooms/{record_id}")
    async def replace(
        fields: Fields, user_id: User, found: Existing, database: Database, response: Response
    ) -> Stored:
        return await change(found, fields.model_dump(), database, response)

    @app.patch("/v1/mushrooms/{record_id}")
    async def merge(
        fields: Changes, user_id: User, found: Existing, database: Database, response: Response
    ) -> Stored:
        return await change(found, fields.model_dump(exclude_unset=True), database, response)

    return app
