"""The kit's plugin, in runs of pytest inside pytest."""

import itertools
import sys
from textwrap import dedent

import pytest

import woodpecker_async.testing.plugin  # so that the runs below find it already imported

pytest_plugins = ["pytester"]

PLUGIN = woodpecker_async.testing.plugin.__name__
LINE = 'pytest_plugins = ["woodpecker_async.testing"]'
LOOPS = ("function", "class", "module", "package", "session")
SCOPES = {"function": "", "module": "module_", "session": "session_"}


@pytest.fixture
def run(pytester, monkeypatch):
    """Runs tests as in a user's project, with warnings as errors."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # loading them all takes longer than the tests

    def run(tests, *arguments, conftest=LINE, ini=""):
        pytester.makeconftest(dedent(conftest))
        pytester.makepyfile(dedent(tests))
        pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\nfilterwarnings = error\n" + ini)
        return pytester.runpytest_inprocess("-p", "pytest_asyncio.plugin", "-p", "no:cacheprovider", *arguments)

    return run


@pytest.mark.parametrize("conftest", [LINE, f"import woodpecker_async.testing\nimport {PLUGIN}\n{LINE}"])
def test_one_line_turns_it_on(run, conftest):
    result = run(
        """
        import pytest

        @pytest.mark.asyncio
        async def test_all_companies(woodpecker_session, woodpecker_sandbox):
            companies = await woodpecker_session.agency.companies.list().collect()
            assert [company.id for company in companies] == list(woodpecker_sandbox.company_ids)
            assert [record.path for record in woodpecker_sandbox.journal] == ["/rest/v2/agency/companies"]
        """,
        conftest=conftest,
    )
    result.assert_outcomes(passed=1)


def test_without_the_line_there_is_nothing(run):
    run("def test(woodpecker_sandbox): pass", conftest="").assert_outcomes(errors=1)


@pytest.mark.parametrize("seed", range(3))
def test_every_scope_under_every_loop_scope(run, seed):
    """Tests on all loops, mixed, use the same sessions, one after another and repeatedly."""
    combined = list(itertools.product(SCOPES.values(), LOOPS)) * 2
    combined = combined[seed::3] + combined[(seed + 1) % 3 :: 3] + combined[(seed + 2) % 3 :: 3]
    tests = ["import asyncio, pytest"]
    for number, (prefix, loop) in enumerate(combined):
        tests.append(
            f"""
class TestOf{number}:
    @pytest.mark.asyncio(loop_scope={loop!r})
    async def test_{number}(self, {prefix}woodpecker_session, {prefix}woodpecker_sandbox, {prefix}woodpecker_clock):
        box, clock = {prefix}woodpecker_sandbox, {prefix}woodpecker_clock
        box.faults.add("status 503 times=2")
        began = clock.now()
        assert await {prefix}woodpecker_session.agency.companies.list().collect()
        assert [record.status for record in box.journal] == [503, 503, 200]
        assert clock.now() - began >= 0.2
"""
        )
    tests.append(
        """
def test_without_a_loop(session_woodpecker_session):
    asyncio.run(session_woodpecker_session.account.me())
"""
    )
    run("\n".join(tests)).assert_outcomes(passed=len(combined) + 1)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("scope", SCOPES)
def test_which_tests_share_a_sandbox(run, scope, loop):
    name = f"{SCOPES[scope]}woodpecker_sandbox"
    tests = f"""
        import pytest
        pytestmark = pytest.mark.asyncio(loop_scope={loop!r})
        async def test_1({name}, seen):
            seen.append({name})
            {name}.faults.add("down")
        async def test_2({name}, {SCOPES[scope]}woodpecker_session, seen):
            seen.append({name})
            assert await {SCOPES[scope]}woodpecker_session.account.me()  # the fault has ended with its test
            assert len({name}.journal) == 1
        async def test_3({name}, seen):
            assert not {name}.journal
            assert (len({{id(box) for box in (*seen, {name})}}) == 1) == ({scope!r} != "function")
    """
    conftest = f"import pytest\n{LINE}\n@pytest.fixture(scope='session')\ndef seen(): return []"
    run(tests, conftest=conftest).assert_outcomes(passed=3)


def test_upstream_is_down_takes_no_time(run):
    result = run(
        """
        import pytest
        from woodpecker_async import errors

        @pytest.mark.asyncio
        @pytest.mark.woodpecker(companies=2, faults=["down"])
        async def test_down(woodpecker_session, woodpecker_sandbox, woodpecker_clock):
            with pytest.raises(errors.ConnectionLostError):
                await woodpecker_session.account.me()
            assert len(woodpecker_sandbox.journal) == 5
            assert len(woodpecker_sandbox.company_ids) == 2
            assert woodpecker_clock.skipped > 1
        """
    )
    result.assert_outcomes(passed=1)


LEAKS = {
    "printed": "print(key)",
    "printed in part": "print('the key is', key.partition('.')[2])",
    "to stderr": "import sys; print('x', key, file=sys.stderr)",
    "past python": "import os; os.write(1, key.encode())",
    "logged": "logging.getLogger('app').warning('made %s', key)",
    "logged as a field": "logging.getLogger('app').warning('made', extra={'key': key})",
    "logged with a traceback": "try:\n        raise ValueError(key)\n    except ValueError: logging.exception('failed')",
    "read by capsys": "print(key); request.getfixturevalue('capsys')",
    "new key": "print(woodpecker_sandbox.state.add_key(woodpecker_sandbox.company_ids[0], 'new').secret)",
    "of Feldera": "print(woodpecker_sandbox.feldera_token)",
    "of a client": "print(woodpecker_sandbox.client_key(woodpecker_sandbox.company_ids[-1]))",
}
CLEAN = {
    "a secret": "logging.warning('%s', Secret(key)); print(repr(Secret(key)), Secret(key).fingerprint)",
    "the mask": "print(Secret(key).masked)",
    "nothing": "pass",
}


@pytest.mark.parametrize("how", [*LEAKS, *CLEAN])
def test_keys_in_the_output(run, how):
    result = run(
        f"""
import logging
from woodpecker_async import Secret

def test_it(woodpecker_sandbox, request):
    key = woodpecker_sandbox.hq_key
    {LEAKS.get(how) or CLEAN[how]}
"""
    )
    if how in CLEAN:
        result.assert_outcomes(passed=1)
        return
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["API keys of the sandbox were logged or printed in clear:"])
    if how.startswith("logged"):
        result.stdout.fnmatch_lines(["*logged by *test_keys_in_the_output.py:*"])
    else:
        result.stdout.fnmatch_lines(["  std*call: *"])


@pytest.mark.parametrize("fixture", ["capsys", "capfd", "capsysbinary", "capfdbinary"])
@pytest.mark.parametrize("reads", [True, False])
def test_keys_that_the_test_itself_captures(run, fixture, reads):
    result = run(
        f"""
        def test_it(woodpecker_sandbox, {fixture}):
            print(woodpecker_sandbox.hq_key)
            if {reads}:
                assert {fixture}.readouterr().out
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"*stdout, read by {fixture}: *" if reads else "*stdout call: *"])


def test_keys_in_setup_and_teardown_and_of_a_wider_sandbox(run):
    result = run(
        """
        import pytest

        @pytest.fixture
        def before(session_woodpecker_sandbox):
            print(session_woodpecker_sandbox.hq_key)

        @pytest.fixture
        def after(session_woodpecker_sandbox):
            yield
            print(session_woodpecker_sandbox.hq_key)

        def test_before(before): pass
        def test_after(after): pass
        def test_clean(): pass
        """
    )
    result.assert_outcomes(passed=2, errors=2)
    result.stdout.fnmatch_lines_random(["*stdout setup: *", "*stdout teardown: *"])


def test_the_look_can_be_switched_off(run):
    result = run(
        """
        import pytest

        @pytest.mark.woodpecker(check_secrets=False)
        def test_it(woodpecker_sandbox):
            print(woodpecker_sandbox.hq_key)
        """
    )
    result.assert_outcomes(passed=1)


def test_a_test_that_fails_anyway_is_told_of_keys_as_well(run):
    result = run("def test_it(woodpecker_sandbox): print(woodpecker_sandbox.hq_key); assert 0")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*assert 0*", "*API keys in clear*"])


def test_sessions_that_the_program_makes_itself(run):
    result = run(
        """
        import os
        import pytest
        from woodpecker_async import WoodpeckerSession

        async def names():
            async with WoodpeckerSession() as woodpecker:
                return [company.name async for company in woodpecker.agency.companies.list()]

        @pytest.mark.asyncio
        @pytest.mark.woodpecker(companies=3, faults=["status 503 times=3"])
        async def test_names(woodpecker_environment, woodpecker_clock):
            assert len(await names()) == 3
            assert [record.status for record in woodpecker_environment.journal] == [503, 503, 503, 200]
            assert woodpecker_clock.skipped > 0.5

        def test_afterwards():
            assert "WOODPECKER_API_KEY" not in os.environ
        """
    )
    result.assert_outcomes(passed=2)


def test_options_for_all_sandboxes(run):
    conftest = f"""
import pytest
{LINE}

@pytest.fixture(scope="session")
def woodpecker_options():
    return {{"companies": 4, "faults": ["wait 5"]}}
"""
    tests = """
        import pytest
        pytestmark = pytest.mark.woodpecker(inactive=1)

        @pytest.mark.woodpecker(companies=2)
        def test_closest(woodpecker_sandbox, session_woodpecker_sandbox, module_woodpecker_sandbox):
            boxes = woodpecker_sandbox, session_woodpecker_sandbox, module_woodpecker_sandbox
            assert [len(box.company_ids) for box in boxes] == [2, 4, 4]
            inactive = [sum(not company.active for company in box.state.companies.values()) for box in boxes]
            assert inactive == [1, 0, 1]
    """
    run(tests, conftest=conftest).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("mark", "fixture", "said"),
    [
        ("companies=2", "session_woodpecker_session", "this test has none"),
        ("2", "woodpecker_sandbox", "takes keyword arguments only"),
        ("compnies=2", "woodpecker_sandbox", "unexpected keyword argument 'compnies'"),
        ("companies=-1", "woodpecker_sandbox", "companies must be >= 0, not -1"),
        ("faults=['dwon']", "woodpecker_sandbox", "there is no fault 'dwon'"),
    ],
)
def test_marks_that_make_no_sense(run, mark, fixture, said):
    result = run(f"import pytest\n@pytest.mark.woodpecker({mark})\ndef test_it({fixture}): pass\n")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*{said}*"])


def test_it_lists_its_fixtures_and_its_mark(run):
    result = run("", "--markers")
    result.stdout.fnmatch_lines(["@pytest.mark.woodpecker(faults=*"])
    result = run("", "--fixtures")
    result.stdout.fnmatch_lines(["*woodpecker_session*", "*A session with this scope's sandbox and clock*"])


def test_the_public_part_needs_no_pytest():
    assert "pytest" not in vars(sys.modules["woodpecker_async.testing"])
    assert "pytest" not in vars(sys.modules["woodpecker_async.testing.clock"])


@pytest.mark.system
def test_in_processes_of_their_own(pytester):
    """With xdist, and without capturing."""
    pytester.makeconftest(LINE)
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.asyncio
        @pytest.mark.parametrize("number", range(6))
        async def test_me(session_woodpecker_session, number):
            assert await session_woodpecker_session.account.me()
        """
    )
    base = ("-W", "error", "-p", "no:cacheprovider", "-o", "asyncio_default_fixture_loop_scope=function")
    pytester.runpytest_subprocess(*base, "-n", "2").assert_outcomes(passed=6)
    pytester.runpytest_subprocess(*base, "-s").assert_outcomes(passed=6)
