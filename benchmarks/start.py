"""The cost of starting: importing the package, and the help of the command line."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from time import perf_counter

from benchmarks.measure import Chapter, Size, Spread, in_turn, ratio, table, target

ROOT = Path(__file__).parents[1]
OF_DEPENDENCIES, OF_CLICK = 1.1, 2.5  # targets: times the first row of each table

IMPORTS = {
    "`import aiohttp, attrs, cattrs, msgspec, tenacity`": "import aiohttp, attrs, cattrs, msgspec, tenacity",
    "`import woodpecker_async`": "import woodpecker_async",
    "`from woodpecker_async import WoodpeckerSession`": "from woodpecker_async import WoodpeckerSession",
}
PROGRAMS = {
    '`python -c "import click"`': ["-c", "import click"],
    "`woodpecker-async --help`": [
        "-c",
        "import sys; from woodpecker_async.cli import main; sys.exit(main())",  # what the installed script does
        "--help",
    ],
}


def _python(*arguments: str) -> str:
    # A fixed hash seed, so that dictionaries behave the same in each run; and compiled modules are kept, as they are
    # wherever a package is installed.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**environment, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


def _import(statement: str) -> float:
    """Milliseconds that a statement takes, without the start of the interpreter."""
    clock = "from time import perf_counter as now"
    return float(_python("-c", f"{clock}\nbegan = now()\n{statement}\nprint(now() - began)")) * 1000


def _run(arguments: list[str]) -> float:
    """Milliseconds that a program takes in total."""
    began = perf_counter()
    _python(*arguments)
    return (perf_counter() - began) * 1000


def chapter(size: Size) -> Chapter:
    """Both tables."""
    rounds = {"tiny": 1, "quick": 4, "full": 21}[size]
    if size != "tiny":
        for statement in IMPORTS.values():
            _import(statement)  # so that the modules are compiled and in the file system cache
    imports = in_turn(rounds, {name: partial(_import, statement) for name, statement in IMPORTS.items()})
    programs = in_turn(rounds, {name: partial(_run, arguments) for name, arguments in PROGRAMS.items()})
    reference, *ours = imports
    times = {name: ratio(imports[name], to=imports[reference]) for name in ours}
    click, help_ = programs
    of_click = ratio(programs[help_], to=programs[click])
    worst = max(spread.median for spread in times.values())
    return Chapter(
        title="Start-up time",
        text=(
            "The time to import the package, without the start of the interpreter, compared with its dependencies. The "
            "package loads each name when it is first used, so `import woodpecker_async` loads almost nothing.\n\n"
            + _table("Statement", imports, reference)
            + "\n\n"
            + target(f"an import takes at most {OF_DEPENDENCIES} times as long as these dependencies; measured: "
                     f"{worst:.2f}", met=worst <= OF_DEPENDENCIES)
            + "\n\nThe time the command line takes to print its help, including the start of the interpreter, compared "
            "with a Python process that only imports click.\n\n"
            + _table("Command", programs, click)
            + "\n\n"
            + target(f"the help takes at most {OF_CLICK} times as long as the import of click; measured: "
                     f"{of_click.median:.2f}", met=of_click.median <= OF_CLICK)
        ),
    )  # fmt: skip


def _table(what: str, results: dict[str, list[float]], reference: str) -> str:
    return table(
        [what, "ms", "times the first row"],
        [[name, str(Spread.of(runs)), str(ratio(runs, to=results[reference]))] for name, runs in results.items()],
    )
