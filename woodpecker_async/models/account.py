"""The account itself."""

from collections.abc import Iterator, Mapping
from typing import Any

import attrs


@attrs.frozen(repr=False, eq=False)
class Fields(Mapping[str, Any]):
    """A response whose fields are not documented: a read-only mapping of the fields as received.

    `repr` shows only their names.
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
    """The response of `GET /v1/me`.

    Its fields depend on whether you use an HQ key, a client's key, or an HQ key with `x-company-id`.
    """
