"""Every example runs unchanged, with warnings as errors, and its docstring says how to run it."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import EXAMPLES, PAGES, identify

# Examples that serve until stopped, or need a Redis, are run in tests/apps.
SERVING = frozenset(
    {
        "fastapi_app.py",
        "aiohttp_app.py",
        "webhooks_fastapi.py",
        "webhooks_aiohttp.py",
        "taskiq_worker.py",
        "celery_worker.py",
    }
)


@pytest.mark.system
@pytest.mark.parametrize("example", [example for example in EXAMPLES if example.name not in SERVING], ids=identify)
def test_it_runs(example: Path, tmp_path: Path):
    if "redis-server" in example.read_text(encoding="utf-8") and not shutil.which("redis-server"):
        pytest.skip("no redis-server here; to run this: apt-get install redis-server")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WOODPECKER_")}
    ran = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", example],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    # What asyncio's debug mode reports about a busy machine is not about the example.
    told = re.sub(r"^Executing <.* took [\d.]+ seconds\n", "", ran.stderr, flags=re.MULTILINE)
    assert (ran.returncode, told) == (0, "")
    assert ran.stdout.strip()


@pytest.mark.parametrize("example", EXAMPLES, ids=identify)
def test_it_says_how_to_run_it(example: Path):
    docstring = ast.get_docstring(ast.parse(example.read_text(encoding="utf-8")))
    assert docstring is not None
    assert f"python {identify(example)}" in docstring


def test_all_of_them_are_on_a_page():
    told = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert [identify(example) for example in EXAMPLES if identify(example) not in told] == []
