"""A name that an object does not have, and that another part of the session does."""

from typing import TYPE_CHECKING, Any


class Elsewhere:
    """The base of a session and its views: an unknown name is told where it is. Type checkers see nothing of it."""

    __slots__ = ()

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            text = f"{type(self).__name__!r} object has no attribute {name!r}"
            if not name.startswith("_") and not hasattr(type(self), name) and (places := _places(name)):
                text += f": it is {' or '.join(places)}"
            raise AttributeError(text, name=name, obj=self)


def _places(name: str) -> list[str]:
    """Where a family of methods is, as seen from a session."""
    from woodpecker_async.resources.agency import Agency  # noqa: PLC0415 - it imports this module
    from woodpecker_async.scope import Account, CompanyClient  # noqa: PLC0415

    homes = {"agency": Agency, "company(company_id)": CompanyClient, "account": Account}
    return [f"woodpecker.{home}.{name}" for home, kind in homes.items() if hasattr(kind, name)]
