"""Models as plain data for JSON, for the response of a web application or for a file."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from enum import Enum
from typing import Any
from uuid import UUID

import attrs

from woodpecker_async.secret import Secret


def plain(value: Any) -> Any:
    """Convert a model, or a list or mapping of models, to plain JSON data, with secrets masked.

    A model becomes a dict of its fields, a `Secret` its mask, an enum its string, a date or time a string in ISO 8601,
    and any sequence (including a `Page`) a list.

    Args:
        value: what the SDK returned, such as a `Company`, a `Page` or a list of `ApiKey`.

    Raises:
        TypeError: it contains something else, such as a `Pager`, which has to be awaited first.

    Example:
        ::

            @app.get("/companies/{company_id}/api-keys")
            async def api_keys(client: Client) -> Any:
                return plain(await client.api_keys.list().collect())
    """
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Secret):
        return value.masked
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    # Before attrs: models whose fields are not documented are mappings.
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    # Before attrs: a `Page` is a sequence of its items.
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [plain(inner) for inner in value]
    if attrs.has(type(value)):
        return {field.name: plain(getattr(value, field.name)) for field in attrs.fields(type(value))}
    raise TypeError(f"cannot convert a {type(value).__name__} to plain data")
