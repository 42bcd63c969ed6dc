"""The vendor's own sample programs run against the sandbox.

The programs lie in ``samples/`` as published, but for the indentation which the copies at hand had lost. Only
the base URL, the key and the company id are replaced.
"""

import functools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from woodpecker_async.sandbox import Sandbox

pytestmark = pytest.mark.system

SAMPLES = Path(__file__).with_name("samples")
STAND_INS = SAMPLES / "stand_ins"
VENDOR = "https://api.woodpecker.co/rest"
FELDERA = "https://api.example.com"
PRINTS_STATUS = {"java", "node"}  # in these languages the samples print the status of an error, not its body

COMMANDS = {
    "curl": ("sh", "sample.sh"),
    "python": (sys.executable, "sample.py"),
    "java": ("java", "WoodpeckerApiClient.java"),
    "node": ("node", "sample.js"),
    "php": ("php", "sample.php"),
    "go": ("go", "run", "sample.go"),
}
INSTALL = {
    "curl": "apt-get install curl",
    "java": "apt-get install openjdk-17-jdk-headless",
    "node": "apt-get install nodejs",
    "php": "apt-get install php-cli",
    "go": "apt-get install golang-go",
}


@pytest.fixture(scope="module")
def box():
    with Sandbox(companies=3, keys_per_company=2) as running:
        yield running


@functools.cache
def axios_is_installed():
    probe = subprocess.run(["node", "-e", "require('axios')"], capture_output=True, timeout=30, check=False)
    return probe.returncode == 0


@pytest.fixture
def run(box, tmp_path):
    """Runs one sample with its placeholders replaced, and returns what it printed."""

    def run(sample, replaced, **environment):
        language = sample.rpartition("-")[2]
        if language != "python" and shutil.which(language) is None:
            pytest.skip(f"{language} is not installed: {INSTALL[language]}")
        text = (SAMPLES / f"{sample}.txt").read_text(encoding="utf-8")
        for old, new in replaced.items():
            assert old in text
            text = text.replace(old, str(new))
        assert "api.woodpecker.co" not in text
        assert "api.example.com" not in text
        command = COMMANDS[language]
        if language == "node" and "await fetch" in text:
            command = ("node", "sample.mjs")  # awaits outside a function, which only modules may do
        (tmp_path / command[-1]).write_text(text, encoding="utf-8")
        if language == "node" and not axios_is_installed():
            environment["NODE_PATH"] = str(STAND_INS)
        if language == "php":
            (tmp_path / "vendor").mkdir(exist_ok=True)
            shutil.copy(STAND_INS / "guzzle" / "autoload.php", tmp_path / "vendor")
        if language == "java":
            # Short programs start faster without the optimising compiler.
            environment["JAVA_TOOL_OPTIONS"] = "-XX:TieredStopAtLevel=1 -Xshare:auto"
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env={**os.environ, "NO_PROXY": "127.0.0.1", **environment},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        return done.stdout, done.stderr

    return run


def replaced_in(sample, box, key, company):
    """The replacements in a sample of the agency API."""
    if sample.endswith("php"):
        return {VENDOR: box.base_url, "{COMPANY_ID}": company}
    placeholder = "{company_id}" if sample.endswith("curl") else "= 123"
    number = company if sample.endswith("curl") else f"= {company}"
    return {VENDOR: box.base_url, "{YOUR_API_KEY}": key, placeholder: number}


@pytest.mark.parametrize("language", ["curl", "python", "java", "node", "php"])
def test_list_the_keys_of_a_company(box, run, language):
    company = box.company_ids[0]
    sample = f"list-{language}"
    out, error = run(sample, replaced_in(sample, box, box.hq_key, company), WOODPECKER_API_KEY=box.hq_key)
    for key in box.state.listed(company):
        assert key.secret in out, error
    assert box.journal[-1].path == f"/rest/v2/agency/companies/{company}/api_keys"
    assert box.journal[-1].status == 200


@pytest.mark.parametrize("language", ["curl", "python", "java", "node", "php"])
def test_list_the_keys_with_a_wrong_key(box, run, language):
    sample = f"list-{language}"
    replaced = replaced_in(sample, box, "1.wrong", box.company_ids[0])
    out, error = run(sample, replaced, WOODPECKER_API_KEY="1.wrong")
    assert box.journal[-1].status == 401
    assert ("401" if language in PRINTS_STATUS else "Invalid api key") in out + error


@pytest.mark.parametrize("language", ["curl", "python", "java", "node"])
def test_create_a_key(box, run, language):
    company = box.company_ids[1]
    sample = f"create-{language}"
    out, error = run(sample, replaced_in(sample, box, box.hq_key, company))
    created = box.state.listed(company)[-1]
    assert created.label == "string"
    assert created.secret in out, error
    assert (box.journal[-1].status, box.journal[-1].committed) == (201, True)


@pytest.mark.parametrize("language", ["curl", "python", "node"])
def test_create_a_key_for_a_company_that_is_not_there(box, run, language):
    sample = f"create-{language}"
    # The curl sample has its placeholder in the path, the others have a number in it.
    out, error = run(sample, replaced_in(sample, box, box.hq_key, 999))
    assert box.journal[-1].status == 404
    assert ("404" if language in PRINTS_STATUS else "No active company found") in out + error


def test_authentication_samples(box, run):
    company = box.company_ids[2]
    me, _ = run("auth-me-curl", {VENDOR: box.base_url, "{YOUR_API_KEY}": box.hq_key})
    assert json.loads(me)["hq"] is True
    own = {VENDOR: box.base_url, "API_KEY_COMPANY_123": box.client_key(company)}
    by_client, _ = run("auth-mailboxes-client-key-curl", own)
    hq = {VENDOR: box.base_url, "HQ_API_KEY": box.hq_key}
    by_master, _ = run("auth-mailboxes-master-key-curl", {**hq, "id: 123": f"id: {company}"})
    by_hq, _ = run("auth-mailboxes-hq-key-curl", hq)
    assert json.loads(by_client) == json.loads(by_master) != json.loads(by_hq)
    accounts, _ = run("auth-email-accounts-curl", {**hq, "/123/": f"/{company}/"})
    rows = json.loads(accounts)["content"]
    assert [row["id"] for row in rows] == [row["id"] for row in json.loads(by_client)]


@pytest.mark.parametrize("language", ["curl", "python", "node", "go"])
def test_create_a_feldera_key(box, run, language):
    replaced = {FELDERA: box.feldera_url, "YOUR_TOKEN": box.feldera_token}
    # The published samples send no name, but it is required.
    run(f"feldera-{language}", replaced)
    assert box.journal[-1].status == 400
    name = f"by-{language}"
    body = ("`{}`", f'`{{"name": "{name}"}}`') if language == "go" else ("{}", f'{{"name": "{name}"}}')
    out, error = run(f"feldera-{language}", {**replaced, body[0]: body[1]})
    assert box.state.feldera_keys[name].api_key in out, error
