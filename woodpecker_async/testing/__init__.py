"""A kit for testing programs that use this package.

One line in a `conftest.py` enables it as a pytest plugin::

    pytest_plugins = ["woodpecker_async.testing"]

`Clock` works with any test runner. (PYTEST_DONT_REWRITE: it may be imported before pytest could rewrite it.)
"""

from woodpecker_async.testing.clock import Clock

__all__ = ["Clock"]

# pytest loads these when it loads this one.
pytest_plugins = ("woodpecker_async.testing.plugin",)
