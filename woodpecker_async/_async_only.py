"""What is used with `async with` says so to those who forget the `async`."""

from typing import TYPE_CHECKING, NoReturn


class AsyncOnly:
    """The base of what is entered with `async with` only. Type checkers do not see that `with` is there at all."""

    __slots__ = ()

    if not TYPE_CHECKING:

        def __enter__(self) -> NoReturn:
            raise TypeError(f"a {type(self).__name__} is used with `async with`, not with `with`")

        def __exit__(self, *_: object) -> None:
            pass
