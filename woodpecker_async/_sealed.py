"""Keys in lists: each is a text until it is asked for, and a `Secret` from then on.

Most keys that are listed are never looked at, and fifty Secrets take longer to make than the JSON around them to read.
"""

from types import MemberDescriptorType
from typing import Any, TypeVar, cast

import attrs

from woodpecker_async.secret import Secret

T = TypeVar("T")


def sealed(model: type[T]) -> type[T]:
    """A class in whose objects the keys may stand as texts; they are never seen as such.

    Such texts come from objects of `unsealed(model)` that are given this class.
    """
    keys = [field.name for field in attrs.fields(cast("Any", model)) if field.type is Secret]
    fields = {name: _opening(getattr(model, name)) for name in keys}
    same = {name: getattr(model, name) for name in ("__doc__", "__module__", "__qualname__")}
    return type(model.__name__, (model,), {"__slots__": (), "__unsealed__": model} | same | fields)


def unsealed(model: type) -> type:
    """The class as it was before it was sealed; the same class if it was not."""
    return vars(model).get("__unsealed__", model)  # type: ignore[no-any-return]


def _opening(slot: MemberDescriptorType) -> property:
    # The text is in no variable of its own: a traceback would show that.
    def opened(model: Any) -> Any:
        if type(slot.__get__(model)) is str:
            slot.__set__(model, Secret(slot.__get__(model)))
        return slot.__get__(model)

    return property(opened, slot.__set__)
