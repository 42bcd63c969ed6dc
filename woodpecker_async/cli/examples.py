"""The examples that the help of each command ends in; the tests see that each of them can be parsed."""

from collections.abc import Mapping
from typing import Final

EXAMPLES: Final[Mapping[str, tuple[str, ...]]] = {
    "keys": ("keys list --all", "keys audit --all"),
    "keys list": (
        "keys list --all --sandbox",
        "keys list --all --active --format csv > keys.csv",
        "keys list --company 123 --company 456 --format json",
        "keys list --all --report run.json",
    ),
    "keys create": (
        "keys create --company 123 --label nightly --output nightly.key",
        "keys create --company 123 --label crm --reveal",
    ),
    "keys ensure": (
        "keys ensure --company 123 --label crm",
        "keys ensure --all --label backup --output backup-keys.jsonl",
    ),
    "keys sweep": (
        "keys sweep --all --redis redis://localhost:6379/0",
        "keys sweep --all --ensure backup --sink vault --redis redis://localhost:6379/0",
    ),
    "companies": ("companies list --active",),
    "companies list": ("companies list", "companies list --active --format csv > companies.csv"),
    "me": ("me", "me --company 123 --format json"),
    "worker": (
        "worker --redis redis://localhost:6379/0",
        "worker --redis redis://localhost:6379/0 --sink vault=keys.jsonl",
    ),
    "sandbox": ("sandbox serve",),
    "sandbox serve": ("sandbox serve --companies 40 --state-file sandbox.json",),
}
