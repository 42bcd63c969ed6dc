"""Reading the JSON of an answer with msgspec, straight into the attrs classes of `models`.

msgspec is fast and strict about types, but says little about a fault. So it is the first reader and not the judge:
a body that it does not accept is read again by `codec` with cattrs, which decides and names the fault. It must
therefore never accept what `codec` refuses, nor read it differently; the tests compare the two.
"""

import operator
from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec

from woodpecker_async.models.account import Fields
from woodpecker_async.models.paging import UNDOCUMENTED, ListBody, Single, envelope

# msgspec calls this with a class that it does not know and the JSON value: `Secret`, and those of `models._loose`.
_hook = operator.call

Read = Callable[[bytes], Any]


@cache
def reader(into: Any) -> Read | None:
    """How msgspec reads a body as this type; `None` where it cannot.

    The function returned raises anything at all for a body that it does not accept. The body must be UTF-8: msgspec
    does not check what it skips.
    """
    if into is Any:
        return None
    try:
        if isinstance(into, ListBody):
            if into.items == UNDOCUMENTED:
                return None
            if _is_fields(into.item):  # msgspec would look in each item for the one field of the class
                return None
            read_list = _decoder(envelope(into))
            return lambda body: into.listing(read_list(body))
        if _is_fields(into):
            read_fields = _decoder(dict[str, Any])
            return lambda body: into(fields=read_fields(body))
        if getattr(into, "__origin__", None) is Single:
            read_item = reader(into.__args__[0])
            if read_item is None:
                return None
            return lambda body: Single(item=read_item(body))  # an array of one is left to the judge
        return _decoder(into)
    except TypeError:  # a field of a kind that msgspec does not know
        return None


def _is_fields(into: Any) -> bool:
    return isinstance(into, type) and issubclass(into, Fields)


def _decoder(into: Any) -> Read:
    return msgspec.json.Decoder(into, dec_hook=_hook).decode
