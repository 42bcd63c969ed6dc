"""`worker` and `keys sweep`: what they print, how they end, and their errors."""

import contextlib
import json
import re
import signal
from collections import Counter

import pytest

from tests.cli.conftest import Inside, Real
from tests.cli.test_cli_usage import imported_by
from tests.shared.redis_server import running_redis
from tests.waiting import until
from woodpecker_async.sandbox import Sandbox

pytest.importorskip("saq")  # an import of it starts a process to find the architecture: not in a quick test


@pytest.fixture
def redis():
    with running_redis() as server:
        yield server


@pytest.fixture(autouse=True)
def _no_redis_in_the_environment(monkeypatch):
    monkeypatch.delenv("WOODPECKER_REDIS_URL", raising=False)


@pytest.fixture
def place(redis, monkeypatch, capsys):
    """A sandbox, and the command for it, in this process and in its own; both know the Redis."""

    @contextlib.contextmanager
    def open_(**options):
        with Sandbox(**options) as box:
            env = {
                "WOODPECKER_BASE_URL": box.base_url,
                "WOODPECKER_API_KEY": box.hq_key,
                "WOODPECKER_REDIS_URL": redis.url,
            }
            yield box, Inside(monkeypatch, capsys, **env), Real(**env)

    return open_


@contextlib.contextmanager
def working(real, *args):
    """A worker process, which must exit successfully."""
    with real.start("worker", *args) as process:
        assert process.stderr.readline().startswith("Working on queue woodpecker of Redis at 127.0.0.1:")
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            got = real.ended(process)
            process.said = got.err
            assert (got.code, got.out) == (0, "")


def asked(box):
    return Counter(
        record.company_id for record in box.journal if record.method == "GET" and record.path.endswith("/api_keys")
    )


def test_a_sweep(place, tmp_path):
    path = tmp_path / "keys.jsonl"
    with place(companies=9, keys_per_company=2, inactive=1) as (_, cli, real):
        with working(real, "--sink", f"vault={path}", "--concurrency", "1") as worker:
            got = cli("keys", "sweep", "--all", "--chunk", "4")
            assert got.code == 0
            fields = dict(re.split(r"\s{2,}", line, maxsplit=1) for line in got.out.splitlines()[1:])
            run = fields.pop("run")
            assert fields == {
                "task": "list",
                "companies": "9",
                "failed": "0",
                "inactive": "0",
                "keys": "18",
                "new keys": "0",
                "requests": "10",
            }
            assert re.fullmatch(rf"Run {run}\.\n9 companies, 18 keys, 0 failed, [\d.]+ s\n", got.err)

            got = cli("keys", "sweep", "--all", "--ensure", "crm", "--sink", "vault", "--format", "json", "--run", "r")
            assert got.code == 0
            said = json.loads(got.out)
            assert (said["run"], said["task"], said["created"]) == ("r", "ensure crm", 8)
            stored = [json.loads(line) for line in path.read_text().splitlines()]
            assert {entry["company_id"]: entry["fingerprint"] for entry in stored} == {
                int(company): key["fingerprint"] for company, [key] in said["companies"].items()
            }
            assert not [entry for entry in stored if entry["api_key"] in got.out + got.err]

            got = cli("keys", "sweep", "--all", "--ensure", "crm", "--sink", "nowhere", "--yes")
            assert got.code == 1
            assert "no sink named 'nowhere' (it has: vault)" in got.err
            assert got.out == ""
        assert "Job r:ensure:0: 8 companies done, 0 failed, 8 keys\n" in worker.said


def test_more_than_ten_keys_are_not_made_unasked(place, tmp_path):
    with place(companies=11, service_time=0) as (box, cli, real), working(real, "--sink", f"vault={tmp_path / 'keys'}"):
        args = ("keys", "sweep", "--all", "--ensure", "crm", "--sink", "vault", "--run", "r")
        got = cli(*args)
        assert (got.code, got.out) == (2, "")
        assert (
            "This creates up to 11 keys labelled 'crm', one at each company without one; there is no terminal"
            in got.err
        )
        assert not any(record.method == "POST" for record in box.journal)
        assert cli(*args, "--yes").code == 0
        assert sum(record.method == "POST" for record in box.journal) == 11
        assert cli(*args).code == 0  # nothing is left to do
        assert cli("keys", "sweep", "--all").code == 0


def test_progress_over_all_workers(place):
    with place(companies=30, service_time=0.02) as (_, _, real), working(real):
        seen, got = real.in_terminal("keys", "sweep", "--all", "--chunk", "3", "--format", "json", streams=("stderr",))
        assert got.code == 0
        assert len(json.loads(got.out)["done"]) == 30
        assert "Sweeping" in seen
        assert len(set(re.findall(r"(\d+)/30", seen))) > 3


def test_interrupted_and_gone_on_with(place):
    with place(companies=30, service_time=0.03) as (box, cli, real), working(real):
        with real.start("keys", "sweep", "--all", "--chunk", "2", "--run", "r") as process:
            until(lambda: len(asked(box)) > 6)
            process.send_signal(signal.SIGINT)
            got = real.ended(process)
        assert (got.code, got.out) == (130, "")
        assert re.fullmatch(
            r"Run r\.\nInterrupted after \d+ of 30 companies; the other jobs were withdrawn\. To continue, add: --run r\n",
            got.err,
        )
        got = cli("keys", "sweep", "--all", "--chunk", "2", "--run", "r", "--format", "json")
        assert (got.code, len(json.loads(got.out)["done"])) == (0, 30)
        # Nothing that was done is done again; what was in flight may be.
        assert sum(asked(box).values()) <= 30 + 8


def test_a_worker_whose_terminal_goes_away_comes_to_a_good_end(place):
    with place(companies=80, service_time=0.05) as (box, _, real):
        with real.start("worker") as process, real.start("keys", "sweep", "--all", "--chunk", "2") as sweep:
            until(lambda: len(asked(box)) > 2)
            process.send_signal(signal.SIGHUP)
            process.send_signal(signal.SIGHUP)  # the shell sends its own
            assert real.ended(process).code == 0
            sweep.send_signal(signal.SIGHUP)
            got = real.ended(sweep)
        assert got.code == 130
        assert "To continue, add: --run " in got.err


def test_some_companies_fail(place):
    from woodpecker_async.sandbox import Fault

    with place(companies=5) as (box, cli, real), working(real):
        bad = box.company_ids[2]
        box.faults.add(Fault.status(404, company=bad))
        got = cli("keys", "sweep", "--all", "--run", "r")
        assert got.code == 3
        assert f"Company {bad} failed: CompanyNotFoundError" in got.err
        assert "To retry the failed companies, add: --run r\n" in got.err
        got = cli("keys", "sweep", "--all", "--run", "r", "-q")
        assert (got.code, got.err) == (0, "")
        got = cli("keys", "sweep", "--all", "--active", "--run", "r")
        assert got.code == 2
        assert "run id 'r' was used for another sweep: choose another" in got.err


@pytest.mark.parametrize("quiet", [(), ("-q",)])
def test_a_list_that_never_settles_is_said_and_is_no_success(place, quiet):
    from woodpecker_async.sandbox import Fault

    def announce_one_more(_, answer):
        data = answer.json()
        data["pagination_data"]["total_elements"] += 1
        return answer.with_json(data)

    with place(companies=5) as (box, cli, real), working(real):
        box.faults.add(Fault.rewriting(announce_one_more, path="/v2/agency/companies", times=None))
        got = cli("keys", "sweep", "--all", *quiet)
        assert got.code == 3
        assert "The list of companies changed each time it was read: some may be missing." in got.err
        box.faults.clear()
        bad = box.company_ids[2]
        box.faults.add(Fault.rewriting(announce_one_more, path=re.compile(f"{bad}/api_keys"), times=None))
        got = cli("keys", "sweep", "--all", *quiet)
        assert got.code == 3
        assert "The keys of 1 company changed each time they were listed: some may be missing." in got.err


def test_without_a_worker_that_is_said(place):
    with place(companies=2) as (_, _, real), real.start("keys", "sweep", "--all", "--run", "r") as process:
        assert process.stderr.readline() == "Run r.\n"
        assert process.stderr.readline() == "The jobs are waiting for a worker; start one: woodpecker-async worker\n"
        with working(real):
            got = real.ended(process)
        assert got.code == 0


def test_a_worker_whose_key_is_refused(place):
    with place(companies=2) as (_, _, real):
        real.env["WOODPECKER_API_KEY"] = "1.wrong"
        got = real("worker")
        assert (got.code, got.out) == (1, "")
        assert [line.split(":")[0] for line in got.err.splitlines()] == ["Error", "Hint"]
        assert "401" in got.err.splitlines()[0]
        assert "1.wrong" not in got.err


@pytest.mark.system
@pytest.mark.parametrize("command", [("worker",), ("keys", "sweep", "--all")])
def test_redis_does_not_answer_or_not_to_us(cli, command):
    with running_redis("right") as redis:
        for userinfo in ("", ":pa55word@", "me:pa55word@"):
            got = cli(*command, "--redis", f"redis://{userinfo}127.0.0.1:{redis.port}", "-q")
            assert (got.code, got.out, len(got.err.splitlines())) == (1, "", 1)
            assert got.err.startswith(f"Error: Redis at 127.0.0.1:{redis.port}: it wants another user or password")
            assert "pa55word" not in got.err
    got = cli(*command, "--redis", f"redis://:pa55word@127.0.0.1:{redis.port}", "-q")
    assert (got.code, got.out, len(got.err.splitlines())) == (1, "", 1)
    assert got.err.startswith(f"Error: Redis at 127.0.0.1:{redis.port}: ConnectionError")
    assert "pa55word" not in got.err


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["worker"], "Missing option '--redis'"),
        (["keys", "sweep", "--all"], "Missing option '--redis'"),
        (["keys", "sweep", "--redis", "redis://h"], "say which companies: --all"),
        (["keys", "sweep", "--all", "--redis", "http://u:pa55word@h"], "this is not the URL of a Redis"),
        (["worker", "--redis", "http://u:pa55word@h"], "this is not the URL of a Redis"),
        (["keys", "sweep", "--all", "--redis", "redis://h", "--ensure", "crm"], "--sink NAME go together"),
        (["keys", "sweep", "--all", "--redis", "redis://h", "--sink", "vault"], "--sink NAME go together"),
        (["keys", "sweep", "--all", "--redis", "redis://h", "--ensure", " x", "--sink", "v"], "a label "),
        (["keys", "sweep", "--all", "--redis", "redis://h", "--run", "a b"], "run must be 1 to 64"),
        (["worker", "--redis", "redis://127.0.0.1:1", "--sink", "vault"], "--sink must be NAME=FILE"),
        (["worker", "--redis", "redis://127.0.0.1:1", "--sink", "v=/nowhere/keys"], "cannot use /nowhere/keys"),
        (["worker", "--redis", "redis://127.0.0.1:1", "--concurrency", "0"], "not in the range"),
    ],
)
def test_usage(cli, box, args, said):
    before = len(box.journal)
    got = cli(*args)
    assert got.code == 2
    assert said in got.err
    assert "pa55word" not in got.err
    assert len(box.journal) == before


def test_a_worker_without_a_key(alone):
    got = alone("worker", "--redis", "redis://127.0.0.1:1")
    assert got.code == 2
    assert got.err.startswith("Error: there is no API key: set WOODPECKER_API_KEY")


@pytest.mark.system
@pytest.mark.parametrize("missing", ["saq", "redis"])
@pytest.mark.parametrize("command", [("worker",), ("keys", "sweep", "--all")])
def test_without_the_extra(missing, command):
    hidden = f"sys.modules[{missing!r}] = None"
    out, said, _, result = imported_by(hidden, *command, "--redis", "redis://127.0.0.1:1")
    assert (out, result) == ("", "1")
    assert said == "Error: workers need saq and redis: pip install 'woodpecker-async[workers]'\n"
