"""Names of a package that are loaded on first use."""

from collections.abc import Callable
from importlib import import_module
from typing import Any


def lazy_exports(package: str, **homes: tuple[str, ...]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return a package's `__getattr__` and `__dir__`.

    Args:
        package: its name.
        homes: for each module of the package, the names to export from it; the module's own name means the module.
    """
    names = vars(import_module(package))
    home_of = {name: home for home, lives_there in homes.items() for name in lives_there}

    def load(name: str) -> Any:
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        home = import_module(f"{package}.{home_of[name]}")
        value = names[name] = home if name == home_of[name] else getattr(home, name)
        return value

    return load, lambda: sorted({*names, *home_of})
