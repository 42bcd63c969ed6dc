"""The sdist and the wheel, built once."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from attrs import frozen

from tests.release.environments import ROOT


@frozen
class Built:
    sdist: Path
    wheel: Path


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The output of `python -m build`: the sdist, and the wheel built from the sdist."""
    if importlib.util.find_spec("build") is None or importlib.util.find_spec("twine") is None:
        pytest.skip("build or twine is missing; to run this: pip install '.[system]'")
    dist = tmp_path_factory.mktemp("dist")
    made = subprocess.run(
        [sys.executable, "-m", "build", "--outdir", dist, ROOT],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    (sdist,), (wheel,) = dist.glob("*.tar.gz"), dist.glob("*.whl")
    return Built(sdist, wheel)
