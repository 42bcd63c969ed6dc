"""A clear error for those who write `with` instead of `async with`, or `for` instead of `async for`."""

from typing import TYPE_CHECKING, ClassVar, NoReturn


class AsyncOnly:
    """The base of classes for `async with`. Type checkers do not see that plain `with` is defined at all."""

    __slots__ = ()

    if not TYPE_CHECKING:

        def __enter__(self) -> NoReturn:
            raise TypeError(f"a {type(self).__name__} is used with `async with`, not `with`")

        def __exit__(self, *_: object) -> None:
            pass


class AsyncForOnly:
    """The base of classes for `async for`. Type checkers do not see that plain `for` is defined at all."""

    __slots__ = ()

    _how_to_read: ClassVar[str]  # the error message

    if not TYPE_CHECKING:

        def __iter__(self) -> NoReturn:
            raise TypeError(self._how_to_read)
