"""What starting costs: importing the package, and the command line's help."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from time import perf_counter

from benchmarks.measure import Chapter, Size, Spread, in_turn, ratio, table, target

ROOT = Path(__file__).parents[1]
OF_DEPENDENCIES, OF_CLICK = 1.1, 2.5  # at most so many times

IMPORTS = {
    "its four dependencies": "import aiohttp, attrs, cattrs, tenacity",
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
    # A set hash seed, so that no run has another luck with its dictionaries; and compiled modules are kept, as
    # they are wherever a package is installed.
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
    """Milliseconds that a statement takes, the interpreter's own start not included."""
    clock = "from time import perf_counter as now"
    return float(_python("-c", f"{clock}\nbegan = now()\n{statement}\nprint(now() - began)")) * 1000


def _run(arguments: list[str]) -> float:
    """Milliseconds that a program takes in all."""
    began = perf_counter()
    _python(*arguments)
    return (perf_counter() - began) * 1000


def chapter(size: Size) -> Chapter:
    """Both tables."""
    rounds = {"tiny": 1, "quick": 4, "full": 21}[size]
    if size != "tiny":
        for statement in IMPORTS.values():
            _import(statement)  # compiled, and in the machine's memory
    imports = in_turn(rounds, {name: partial(_import, statement) for name, statement in IMPORTS.items()})
    programs = in_turn(rounds, {name: partial(_run, arguments) for name, arguments in PROGRAMS.items()})
    reference, *ours = imports
    times = {name: ratio(imports[name], to=imports[reference]) for name in ours}
    click, help_ = programs
    of_click = ratio(programs[help_], to=programs[click])
    worst = max(spread.median for spread in times.values())
    return Chapter(
        title="Start",
        text=(
            "Importing, without the start of the interpreter. The package loads each name when it is first used. "
            + target(f"at most {OF_DEPENDENCIES} times its dependencies; it is {worst:.2f}",
                     met=worst <= OF_DEPENDENCIES)
            + "\n\n"
            + _table(imports, reference)
            + "\n\nThe command line, from start to end. "
            + target(f"at most {OF_CLICK} times an import of click; it is {of_click.median:.2f}",
                     met=of_click.median <= OF_CLICK)
            + "\n\n"
            + _table(programs, click)
        ),
    )  # fmt: skip


def _table(results: dict[str, list[float]], reference: str) -> str:
    return table(
        ["", "ms", "times the first line"],
        [[name, str(Spread.of(runs)), str(ratio(runs, to=results[reference]))] for name, runs in results.items()],
    )
