"""The account level: who am I."""

from collections.abc import Iterator, Mapping
from typing import Any

import attrs


@attrs.frozen(repr=False, eq=False)
class Fields(Mapping[str, Any]):
    """An answer whose fields are not documented: a read-only mapping of them as they came.

    `repr` shows their names only.
    """

    fields: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.fields)

    def __len__(self) -> int:
        return len(self.fields)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {', '.join(self.fields)}>"


class Me(Fields):
    """The answer of `GET /v1/me`.

    Its fields differ between an HQ key, a client's key and an HQ key with `x-company-id`.
    """
