"""Print pip constraints that pin each direct dependency to the oldest version that pyproject.toml allows.

The extras for development are not pinned, because users do not install them.
"""

import re
import tomllib
from pathlib import Path

TOOLS = frozenset({"test", "system", "lint", "docs", "bench"})

_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)(?:\[[^\]]*\])?>=(?P<version>[\w.]+)")


def constraints(project: dict) -> list[str]:
    """One line `name==version` for each dependency of the package and of the extras that users install."""
    lines = list(project["dependencies"])
    for extra, needed in project["optional-dependencies"].items():
        if extra not in TOOLS:
            lines += [line for line in needed if not line.startswith(f"{project['name']}[")]
    held = []
    for line in lines:
        found = _REQUIREMENT.match(line)
        if found is None:
            raise SystemExit(f"Error: a dependency in pyproject.toml has no lower bound (>=): {line}")
        held.append(f"{found['name']}=={found['version']}")
    return held


if __name__ == "__main__":
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    print("\n".join(constraints(tomllib.loads(text)["project"])))
