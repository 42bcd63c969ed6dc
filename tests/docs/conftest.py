"""A Redis for the pages that use one."""

from collections.abc import Iterator

import pytest

from tests.shared.redis_server import running_redis


@pytest.fixture(autouse=True)
def _redis_for_the_page(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    name = "WOODPECKER_REDIS_URL"
    monkeypatch.delenv(name, raising=False)
    page = request.node.callspec.params.get("page") if hasattr(request.node, "callspec") else None
    if request.node.originalname not in ("test_python", "test_commands") or name not in page.read_text():
        yield
        return
    with running_redis() as server:
        monkeypatch.setenv(name, server.url)
        yield
