"""A clear error for those who write `with` instead of `async with`."""

from typing import TYPE_CHECKING, NoReturn


class AsyncOnly:
    """The base of classes for `async with`. Type checkers do not see that plain `with` is defined at all."""

    __slots__ = ()

    if not TYPE_CHECKING:

        def __enter__(self) -> NoReturn:
            raise TypeError(f"a {type(self).__name__} is used with `async with`, not `with`")

        def __exit__(self, *_: object) -> None:
            pass
