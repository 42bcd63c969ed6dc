"""One `__repr__` for all attrs classes that are made on import: generating it for each is a third of making them."""

from typing import Any

import attrs


def shown(self: Any) -> str:
    """What attrs would generate."""
    fields = ", ".join(
        f"{field.name}={(repr if field.repr is True else field.repr)(getattr(self, field.name))}"
        for field in attrs.fields(type(self))
        if field.repr
    )
    return f"{type(self).__qualname__}({fields})"
