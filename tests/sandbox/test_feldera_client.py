"""The official Python client of Feldera, against the sandbox."""

import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import pytest

from woodpecker_async.sandbox import Sandbox

pytestmark = pytest.mark.system

# Opens the client, and does everything it can do with keys: its own method, and raw requests for the rest.
PROGRAM = """
import json, sys
from feldera import FelderaClient
from feldera.rest.errors import FelderaAPIError

url, token = sys.argv[1:]
client = FelderaClient(url, api_key=token, timeout=20)
said = {"edition": client.get_config().edition.value}
said["made"] = client.create_api_key("ci")
said["reader"] = client.create_api_key("reader", role="read")
said["listed"] = client.http.get("/api_keys")
said["got"] = client.http.get("/api_keys/ci")

def refused(call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except FelderaAPIError as error:
        return [error.status_code, error.error_code]

said["taken"] = refused(client.create_api_key, "ci")
said["odd"] = refused(client.create_api_key, "a b")
said["long"] = refused(client.create_api_key, "x" * 101)
said["unknown"] = refused(client.http.get, "/api_keys/nobody")
said["stranger"] = refused(FelderaClient, url, api_key="apikey:wrong")
said["weak"] = refused(FelderaClient(url, api_key=said["reader"]["api_key"]).create_api_key, "more")
FelderaClient(url, api_key=said["made"]["api_key"]).http.delete("/api_keys/reader")
said["left"] = [key["name"] for key in client.http.get("/api_keys")]
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def python():
    """The interpreter of an environment that has the client, but not our package."""
    with tempfile.TemporaryDirectory(prefix="feldera-client-") as directory:
        venv.create(directory, with_pip=True, symlinks=os.name == "posix")
        interpreter = Path(directory, "Scripts" if os.name == "nt" else "bin", "python")
        command = [interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "feldera"]
        installed = subprocess.run(command, capture_output=True, text=True, timeout=540, check=False)
        if installed.returncode:
            reason = (installed.stderr.strip().splitlines() or ["no reason given"])[-1]
            pytest.skip(f"the official client of Feldera cannot be installed here: {reason}")
        yield interpreter


@pytest.mark.timeout(600)
@pytest.mark.skipif(sys.version_info >= (3, 14), reason="the client needs a Python before 3.14")
def test_the_official_client_opens_and_manages_keys(python):
    with Sandbox(companies=0) as box:
        done = subprocess.run(
            [python, "-I", "-c", PROGRAM, box.feldera_url, box.feldera_token],
            env={**os.environ, "NO_PROXY": "127.0.0.1"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout)
        made = box.state.feldera_keys["ci"]
        assert said["edition"] == "Open source"
        assert said["made"] == {"api_key": made.api_key, "id": made.id, "name": "ci"}
        rows = [
            {"id": said[key]["id"], "name": said[key]["name"], "role": role}
            for key, role in (("made", "write"), ("reader", "read"))
        ]
        assert said["listed"] == rows
        assert said["got"] == rows[:1]
        assert said["taken"] == [409, "DuplicateName"]
        assert said["odd"] == [400, "NameDoesNotMatchPattern"]
        assert said["long"] == [400, "TooLongName"]
        assert said["unknown"] == [404, "UnknownApiKey"]
        assert said["stranger"] == [401, "AuthenticationFailed"]
        assert said["weak"] == [403, "InsufficientPermissions"]
        assert said["left"] == ["ci"]
        assert {record.path for record in box.journal} >= {"/v0/config", "/v0/api_keys", "/v0/api_keys/ci"}
