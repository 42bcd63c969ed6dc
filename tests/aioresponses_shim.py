"""aioresponses 0.7.9 builds aiohttp's response without an argument that aiohttp 3.14 wants.

`test_request_shape.test_the_shim_is_still_needed` fails when a release no longer needs this file.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import Mock

import aiohttp
import aioresponses.core as core
import pytest


class _Response(aiohttp.ClientResponse):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("stream_writer", Mock())
        super().__init__(*args, **kwargs)


@contextmanager
def mocked(monkeypatch: pytest.MonkeyPatch) -> Iterator[core.aioresponses]:
    """aioresponses, made compatible."""
    with monkeypatch.context() as patch:
        patch.setattr(core, "ClientResponse", _Response)
        with core.aioresponses() as mock:
            yield mock
