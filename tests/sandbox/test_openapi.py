"""The sandbox and its description of itself agree."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from woodpecker_async.sandbox import Sandbox
from woodpecker_async.sandbox.routing import ENDPOINTS

COMMAND = [sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()", "run"]


def described(box: Sandbox) -> Any:
    with urllib.request.urlopen(f"{box.base_url.removesuffix('/rest')}/openapi.json") as answer:
        return json.load(answer)


def test_every_endpoint_is_described() -> None:
    with Sandbox(companies=1) as box:
        paths = described(box)["paths"]
    served = [endpoint for endpoint in ENDPOINTS if not endpoint.path.startswith("/v0/")]
    assert sum(map(len, paths.values())) == len(served)
    operations = [operation for path in paths.values() for operation in path.values()]
    assert len({operation["operationId"] for operation in operations}) == len(served)
    for endpoint in served:
        operation = paths[endpoint.path.replace(":int}", "}").removesuffix("/?")][endpoint.method.lower()]
        assert ("requestBody" in operation) == (endpoint.body is not None)
        assert ("content" in operation["responses"][str(endpoint.status)]) == (endpoint.answer is not None)


@pytest.mark.system
def test_schemathesis_finds_no_disagreement(tmp_path: Path) -> None:
    with Sandbox(companies=3, queue=False, service_time=0) as box:
        # What is to be found must be asked for by ids that are there.
        company = box.company_ids[0]
        known = {"company_id": company, "x-company-id": company, "prospect_id": company * 10_000 + 1}
        config = tmp_path / "schemathesis.toml"
        config.write_text("[parameters]\n" + "".join(f'"{name}" = "{value}"\n' for name, value in known.items()))
        done = subprocess.run(
            [
                *(*COMMAND[:3], "--config-file", config, COMMAND[3]),
                *(f"{box.base_url.removesuffix('/rest')}/openapi.json", "--header", f"x-api-key: {box.hq_key}"),
                *("--checks", "all", "--phases", "examples,coverage,fuzzing", "--max-examples", "30", "--seed", "1"),
                *("--no-color", "--generation-database", "none"),
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
        )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
