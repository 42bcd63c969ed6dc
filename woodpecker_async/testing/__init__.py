"""The kit for tests of programs that use this package.

One line in a `conftest.py` turns it on as a plugin of pytest::

    pytest_plugins = ["woodpecker_async.testing"]

`Clock` is for any test runner. (PYTEST_DONT_REWRITE: it may be imported before pytest looks at it.)
"""

from woodpecker_async.testing.clock import Clock

__all__ = ["Clock"]

# pytest loads these when it loads this one.
pytest_plugins = ("woodpecker_async.testing.plugin",)
