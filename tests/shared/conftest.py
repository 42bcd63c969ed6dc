import tempfile
from collections.abc import Iterator

import pytest

from tests.shared.redis_server import RedisServer, running_redis


@pytest.fixture(autouse=True)
def _own_lock_files(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A directory for lock files that no other test uses; inherited by the processes that a test starts."""
    tmp_path_factory.getbasetemp()  # shared by all tests: must not be made inside the directory of one
    with tempfile.TemporaryDirectory(prefix="wa") as directory:
        monkeypatch.setenv("TMPDIR", directory)
        monkeypatch.setattr(tempfile, "tempdir", None)
        yield
    tempfile.tempdir = None


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server
