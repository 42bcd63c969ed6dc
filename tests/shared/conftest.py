import tempfile
from collections.abc import Iterator

import pytest

from tests.shared.redis_server import RedisServer, running_redis


@pytest.fixture(autouse=True)
def _own_lock_files(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Lock files where no other test looks; inherited by the processes that a test starts."""
    tmp_path_factory.getbasetemp()  # which is for all tests, and not to be made below the directory of one
    with tempfile.TemporaryDirectory(prefix="wa") as directory:
        monkeypatch.setenv("TMPDIR", directory)
        monkeypatch.setattr(tempfile, "tempdir", None)
        yield
    tempfile.tempdir = None


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server
