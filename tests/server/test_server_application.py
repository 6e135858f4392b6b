"""The tree of routes is made once, and still refuses routes that are at odds."""

import pytest
from litestar import asgi, get
from litestar.exceptions import ImproperlyConfiguredException
from litestar.params import FromPath
from litestar.testing import TestClient
from litestar.types import Receive, Scope, Send

from sekisho.server.application import Application


@get("/one")
async def one() -> str:
    return "one"


@get("/one/{name:str}")
async def named(name: FromPath[str]) -> str:
    return name


@asgi("/one", copy_scope=True)
async def other(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer for the same address in another way."""


def test_every_handler_is_found_once_the_routes_are_open() -> None:
    app = Application([one, named], openapi_config=None)
    app.open_routes()

    with TestClient(app) as client:
        said = [client.get(path) for path in ("/one", "/one/two", "/two")]

    assert [(answer.status_code, answer.text) for answer in said[:2]] == [
        (200, "one"),
        (200, "two"),
    ]
    assert said[2].status_code == 404


def test_routes_at_odds_are_refused() -> None:
    app = Application([one, other], openapi_config=None)

    with pytest.raises(ImproperlyConfiguredException, match="unique path"):
        app.open_routes()
