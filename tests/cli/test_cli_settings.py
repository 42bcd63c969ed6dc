"""Where a setting comes from: options, profiles, the environment; and invalid settings."""

import json
import ssl
import sys

import pytest
import trustme

from tests.raw import answer
from woodpecker_async.sandbox import Fault, Sandbox

keyring = pytest.importorskip("keyring", reason="keyring is not installed: pip install '.[keyring]'")
from keyring.backend import KeyringBackend  # noqa: E402


@pytest.fixture
def configured(alone, box, tmp_path):
    """The command with its own configuration file."""

    def write(text, mode=0o600):
        path = tmp_path / "woodpecker-async" / "config.toml"
        path.parent.mkdir(exist_ok=True)
        path.touch()
        path.chmod(0o600)
        path.write_text(text)
        path.chmod(mode)
        alone.env["XDG_CONFIG_HOME"] = str(tmp_path)
        return alone

    key = tmp_path / "woodpecker-async" / "hq.key"
    key.parent.mkdir()
    key.touch(mode=0o600)
    key.write_text(box.hq_key)
    write.path = tmp_path / "woodpecker-async" / "config.toml"
    return write


def shown(cli, *options):
    got = cli("config", "show", "--format", "json", *options)
    assert got.code == 0, got.err
    return {row["setting"]: (row["value"], row["source"]) for row in json.loads(got.out)}


def test_a_profile_is_all_it_takes(configured, box):
    cli = configured(f'[profiles.hq]\nbase_url = "{box.base_url}"\napi_key_file = "hq.key"\n')
    assert cli("me").code == 2  # nobody has chosen it
    got = cli("me", "--profile", "hq", "--format", "json")
    assert json.loads(got.out)["company"]["id"] == box.state.hq.id
    assert cli("--profile", "hq", "companies", "list").code == 0
    cli.env["WOODPECKER_PROFILE"] = "hq"
    assert cli("me").code == 0


def test_the_default_profile(configured, box):
    cli = configured(
        f'default_profile = "hq"\n[profiles.hq]\nbase_url = "{box.base_url}"\napi_key_file = "hq.key"\n[profiles.other]\n'
    )
    assert cli("me").code == 0
    assert cli("me", "--profile", "other").code == 2


@pytest.mark.parametrize("how", ["--profile", "WOODPECKER_PROFILE"])
def test_a_profile_without_a_configuration_file(alone, tmp_path, how):
    alone.env["XDG_CONFIG_HOME"] = str(tmp_path)
    alone.env |= {"WOODPECKER_PROFILE": "hq"} if how != "--profile" else {}
    got = alone("me", *((how, "hq") if how == "--profile" else ()))
    path = tmp_path / "woodpecker-async" / "config.toml"
    missing = f"cannot read {path}: there is no such file, so there is no profile 'hq'"
    shows = "`woodpecker-async help config` shows what it looks like"
    assert (got.code, got.err) == (2, f"Error: {missing}; {shows}\n")


@pytest.mark.parametrize(
    ("text", "typed", "offered"),
    [
        ("[profiles.alpha]\n[profiles.beta]\n[profiles.atlas]\n", "a", ["plain,alpha", "plain,atlas"]),
        ("[profiles.alpha]\n", "z", []),
        ("this is not TOML", "", []),
        ("[profiles.alpha]\nno_such_setting = 1\n", "", []),
    ],
)
def test_profiles_are_completed(configured, text, typed, offered):
    cli = configured(text)
    words = f"woodpecker-async keys list --profile {typed}"
    cli.env |= {"_WOODPECKER_ASYNC_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": "4"}
    got = cli()
    assert (got.code, got.out.split(), got.err) == (0, offered, "")


def test_the_nearer_source_wins(configured, tmp_path):
    cli = configured(
        'default_profile = "a"\n[profiles.a]\nattempts = 2\nbase_url = "http://a/rest"\n'
        '[profiles.b]\nattempts = 3\nshared = "host"\ndeadline = 7\n'
    )
    path = configured.path
    assert shown(cli)["attempts"] == (2, f"attempts of profile 'a' in {path}")
    assert shown(cli)["profile"] == ("a", "WOODPECKER_PROFILE or default_profile")
    assert shown(cli)["deadline"] == (120.0, "built in")
    cli.env |= {"WOODPECKER_ATTEMPTS": "4", "WOODPECKER_BASE_URL": "http://env/rest", "WOODPECKER_DEADLINE": "9.5"}
    settings = shown(cli)
    assert settings["attempts"] == (4, "WOODPECKER_ATTEMPTS")
    assert settings["base_url"] == ("http://env/rest", "WOODPECKER_BASE_URL")
    settings = shown(cli, "--profile", "b")
    assert settings["attempts"] == (3, f"attempts of profile 'b' in {path}")
    assert settings["base_url"] == ("http://env/rest", "WOODPECKER_BASE_URL")
    assert settings["deadline"] == (7.0, f"deadline of profile 'b' in {path}")
    assert settings["shared"] == ("host", f"shared of profile 'b' in {path}")
    assert shown(cli, "--profile", "b", "--attempts", 6)["attempts"] == (6, "--attempts")


def test_the_profiles_there_are(configured, alone):
    assert "profiles" not in shown(alone)
    cli = configured("[profiles.hq]\n[profiles.other]\n")
    assert shown(cli)["profiles"] == ("hq, other", str(configured.path))
    assert "profiles" not in shown(cli, "--sandbox")


def test_where_the_key_comes_from(configured, box, tmp_path):
    cli = configured('[profiles.hq]\napi_key_file = "hq.key"\n')
    cli.env["WOODPECKER_API_KEY"] = "123456.fromtheenvironment0"
    value, source = shown(cli)["api_key"]
    assert (value.split()[0], source) == ("123456.****ent0", "WOODPECKER_API_KEY")
    value, source = shown(cli, "--profile", "hq")["api_key"]
    assert box.hq_key not in value
    assert value.startswith(f"{box.hq_key[:7]}****{box.hq_key[-4:]} (fingerprint ")
    assert source.startswith("api_key_file of profile 'hq'")
    cli.env["WOODPECKER_API_KEY_FILE"] = str(tmp_path / "x")
    got = cli("config", "show")
    assert (got.code, got.err) == (
        2, "Error: WOODPECKER_API_KEY and WOODPECKER_API_KEY_FILE are both set: unset one of them\n",
    )  # fmt: skip
    del cli.env["WOODPECKER_API_KEY"]
    got = cli("config", "show")
    assert (got.code, "(not readable)" in got.out, "cannot read" in got.err) == (2, True, True)
    cli.env["WOODPECKER_API_KEY_FILE"] = str(configured.path.parent / "hq.key")
    assert shown(cli)["api_key"][1] == "WOODPECKER_API_KEY_FILE"
    del cli.env["WOODPECKER_API_KEY_FILE"]
    assert shown(cli)["api_key"] == (None, "not set")


def test_config_show_hides_passwords(configured):
    cli = configured('[profiles.p]\nproxy = "http://me:pa55@proxy:3128"\nshared = "redis://:pa55@r:6379/0?x=pa55"\n')
    got = cli("config", "show", "--profile", "p")
    assert "pa55" not in got.out + got.err
    assert "http://me:****@proxy:3128" in got.out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[profiles.p\n", "is not valid TOML"),
        ("attempts = 3\n", "unknown 'attempts' at the top level"),
        ("profiles = 3\n", "profiles must be tables"),
        ("[profiles]\np = 3\n", "profiles must be tables"),
        ("default_profile = 3\n", "default_profile must be the name of a profile"),
        ("[profiles.q]\n", "there is no profile 'p'"),
        ('[profiles.p]\napi_key = "1.secretsecretsecret"\n', "contains an API key"),
        ("[profiles.p]\natempts = 3\n", "did you mean attempts?"),
        ("[profiles.p]\nattempts = 0\n", "must be an integer >= 1, not 0"),
        ("[profiles.p]\nattempts = true\n", "must be an integer >= 1, not True"),
        ('[profiles.p]\nattempts = "3"\n', "must be an integer >= 1, not '3'"),
        ("[profiles.p]\ndeadline = -1\n", "must be a number of seconds > 0"),
        ("[profiles.p]\ndeadline = inf\n", "must be a number of seconds > 0"),
        ('[profiles.p]\nbase_url = ""\n', "must be a non-empty string"),
        ("[profiles.p]\nkeyring = 3\n", "must be true, or the user name"),
        ('[profiles.p]\nkeyring = true\napi_key_file = "x"\n', "keep only one of them"),
        ("[profiles.p]\napi_key_file = 3\n", "must be the name of a file"),
        ('[profiles.p]\napi_key_file = "nothing"\n', "cannot read"),
        ("[profiles.q]\natempts = 3\n[profiles.p]\n", "did you mean attempts?"),  # even in another profile
    ],
)
def test_configurations_that_make_no_sense(configured, text, said):
    got = configured(text)("me", "--profile", "p")
    assert got.code == 2
    assert said in got.err
    assert len(got.err.splitlines()) == 1
    assert "secretsecret" not in got.err


def test_a_configuration_that_others_can_read(configured):
    got = configured("[profiles.p]\n", mode=0o644)("me", "--profile", "p")
    assert (got.code, "can be read by others (mode 0644): chmod 600" in got.err) == (2, True)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("WOODPECKER_ATTEMPTS", "many", "must be an integer >= 1, not 'many'"),
        ("WOODPECKER_ATTEMPTS", "0", "must be an integer >= 1, not 0"),
        ("WOODPECKER_DEADLINE", "nan", "must be a number of seconds > 0"),
        ("WOODPECKER_PROFILE", "p", "cannot read /nowhere/woodpecker-async/config.toml"),
        ("WOODPECKER_CONFIG", "/nowhere/file", "cannot read /nowhere/file"),
        ("WOODPECKER_SHARED", "ftp://x", "--shared"),
        ("WOODPECKER_CA_FILE", "/nowhere/ca", "cannot read /nowhere/ca"),
        ("WOODPECKER_PROXY", "socks5://x", "proxies are not supported"),
        ("WOODPECKER_BASE_URL", "x", "the base URL needs a scheme"),
    ],
)
def test_variables_that_make_no_sense(cli, box, name, value, said):
    cli.env[name] = value
    before = len(box.journal)
    got = cli("me")
    assert (got.code, said in got.err, len(got.err.splitlines())) == (2, True, 1), got.err
    assert len(box.journal) == before


def test_another_place_for_the_configuration(configured, box, tmp_path):
    cli = configured("")
    elsewhere = tmp_path / "elsewhere.toml"
    elsewhere.touch(mode=0o600)
    elsewhere.write_text('\ufeffdefault_profile = "x"\n[profiles.x]\nattempts = 9\n')
    cli.env["WOODPECKER_CONFIG"] = str(elsewhere)
    assert shown(cli)["attempts"][0] == 9


class Fake(KeyringBackend):
    priority = 1

    def __init__(self, keys=None, error=None):
        self.keys, self.error = keys or {}, error

    def get_password(self, service, username):
        if self.error is not None:
            raise self.error
        return self.keys.get((service, username))

    def set_password(self, service, username, password):
        raise AssertionError("the command only reads")


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.setattr(keyring.core, "_keyring_backend", None)  # put back at the end
    return keyring.set_keyring


def test_a_key_in_the_keyring(configured, box, fake):
    cli = configured(
        f'[profiles.a]\nkeyring = true\nbase_url = "{box.base_url}"\n[profiles.b]\nkeyring = "someone"\n'
        f'base_url = "{box.base_url}"\n'
    )
    fake(Fake({("woodpecker-async", "a"): box.hq_key, ("woodpecker-async", "someone"): box.hq_key + "\n"}))
    assert cli("me", "--profile", "a").code == 0
    assert cli("me", "--profile", "b").code == 0
    fake(Fake())
    got = cli("me", "--profile", "a")
    assert (got.code, "keyring set woodpecker-async a" in got.err) == (2, True)
    fake(Fake(error=RuntimeError("1.secretsecretsecret")))
    got = cli("me", "--profile", "a")
    assert (got.code, "(RuntimeError): is it locked?" in got.err, "secretsecret" in got.err) == (2, True, False)
    fake(keyring.backends.fail.Keyring())
    got = cli("me", "--profile", "a")
    assert (got.code, "this machine has no usable keyring" in got.err) == (2, True)


def test_without_the_extra(configured, monkeypatch):
    cli = configured("[profiles.a]\nkeyring = true\n")
    monkeypatch.setitem(sys.modules, "keyring", None)
    got = cli("me", "--profile", "a")
    assert (got.code, "pip install 'woodpecker-async[keyring]'" in got.err) == (2, True)


def test_key_files_of_other_editors(alone, box, tmp_path):
    path = tmp_path / "key"
    path.touch(mode=0o600)
    args = ("me", "--base-url", box.base_url, "--api-key-file", path)
    for content in (b"\xef\xbb\xbf" + box.hq_key.encode() + b"\r\n", f"{box.hq_key}\r\n".encode("utf-16")):
        path.write_bytes(content)
        assert alone(*args).code == 0
    assert alone(*args[:3], "--api-key-stdin", stdin=f"\ufeff{box.hq_key}\n").code == 0


@pytest.mark.parametrize("option", ["--profile", "--base-url", "--proxy", "--ca-file", "--shared"])
def test_an_option_without_a_value_is_not_one_that_was_not_given(cli, box, option):
    before = len(box.journal)
    got = cli("me", option, "")
    assert (got.code, got.err) == (2, f"Error: {option} is empty\n")
    assert len(box.journal) == before


# ---- what the settings do


def test_attempts(cli, box):
    box.faults.add(Fault.status(500, times=None))
    before = len(box.journal)
    assert cli("me", "--attempts", "1").code == 1
    assert len(box.journal) == before + 1


def test_a_certificate_authority(alone, tmp_path):
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with Sandbox(companies=1, ssl_context=context) as box:
        alone.env |= {"WOODPECKER_BASE_URL": box.base_url, "WOODPECKER_API_KEY": box.hq_key}
        got = alone("me", "--attempts", "1")
        assert got.code == 1
        assert "for a private authority use --ca-file FILE" in got.err
        assert alone("me", "--ca-file", tmp_path / "ca.pem").code == 0
    (tmp_path / "none").write_text("nothing")
    got = alone("me", "--ca-file", tmp_path / "none")
    assert (got.code, "contains no PEM certificates" in got.err) == (2, True)


def test_a_proxy(alone, said):
    with said(answer(b"", "502 Bad Gateway")) as (url, heads):
        alone.env |= {"WOODPECKER_BASE_URL": "http://nowhere.invalid/rest", "WOODPECKER_API_KEY": "1.x"}
        assert alone("me", "--attempts", "1", "--proxy", url).code == 1
    assert heads == ["GET http://nowhere.invalid/rest/v1/me HTTP/1.1"]


@pytest.mark.parametrize("option", ["--proxy", "--shared"])
def test_no_password_in_argv(cli, option):
    got = cli("me", option, "http://me:pa55@proxy:3128")
    assert got.code == 2
    assert f"other users can see the password in {option}" in got.err
    assert "pa55" not in got.err


@pytest.mark.parametrize("option", [("--profile", "x"), ("--base-url", "http://x/rest"), ("--api-key-stdin",)])
def test_the_sandbox_excludes(alone, option):
    got = alone("me", "--sandbox", *option)
    assert (got.code, "cannot be used together" in got.err) == (2, True)


def test_what_is_set_for_another_api_is_not_for_the_sandbox(alone):
    alone.env |= {"WOODPECKER_BASE_URL": "http://127.0.0.1:1/rest", "WOODPECKER_PROXY": "http://127.0.0.1:1"}
    assert alone("me", "--sandbox").code == 0
    assert shown(alone, "--sandbox")["base_url"] == ("(of the embedded sandbox)", "--sandbox")


# ---- a base URL without /rest


@pytest.mark.parametrize("command", [("me",), ("keys", "list", "--all"), ("keys", "list", "--company", "1")])
def test_a_missing_rest_is_hinted_at(cli, box, command):
    cli.env["WOODPECKER_BASE_URL"] = box.base_url.removesuffix("/rest")
    got = cli(*command)
    assert got.code in (1, 3)
    hint = f"Hint: the base URL {box.base_url.removesuffix('/rest')} does not end in /rest, as the API's does: did you mean "
    assert got.err.splitlines()[-1] == f"{hint}{box.base_url}?"
    cli.env["WOODPECKER_BASE_URL"] = box.base_url
    assert "Hint" not in cli("keys", "list", "--company", "1").err


def test_a_web_page_where_the_api_was_expected(alone, said):
    with said(answer(b"<!doctype html>")) as (url, _):
        alone.env |= {"WOODPECKER_BASE_URL": url, "WOODPECKER_API_KEY": "1.x"}
        got = alone("me")
    assert (got.code, "does not end in /rest" in got.err) == (1, True)


# ---- a key that is refused


@pytest.mark.parametrize("command", [("me",), ("keys", "list", "--all"), ("keys", "audit"), ("doctor",)])
def test_who_is_refused_learns_which_key_it_was_and_where_it_came_from(cli, command):
    cli.env["WOODPECKER_API_KEY"] = "1.an-old-one-of-last-year"
    got = cli(*command)
    key = shown(cli)["api_key"][0]
    more = "`woodpecker-async config show` lists every setting with its source."
    assert got.code == 1
    assert got.err.splitlines()[-1] == f"Hint: the key in use is {key}, from WOODPECKER_API_KEY; {more}"


def test_the_hint_names_the_profile_of_a_refused_key(configured, box):
    cli = configured(f'[profiles.old]\nbase_url = "{box.base_url}"\napi_key_file = "old.key"\n')
    (configured.path.parent / "old.key").touch(mode=0o600)
    (configured.path.parent / "old.key").write_text("1.an-old-one")
    got = cli("me", "--profile", "old")
    assert f"from api_key_file of profile 'old' in {configured.path}; " in got.err.splitlines()[-1]


def test_a_clients_key_is_named_where_the_agencys_is_needed(cli, box):
    cli.env["WOODPECKER_API_KEY"] = box.client_key(box.company_ids[0])
    assert cli("keys", "list", "--all").err.splitlines()[-1].startswith("Hint: the key in use is ")
    assert "Hint" not in cli("me").err


def test_one_refused_company_is_not_about_the_key(cli, box):
    box.faults.add(Fault.html(403, company=box.company_ids[0], times="always"))
    got = cli("keys", "list", "--all")
    assert (got.code, "Hint" in got.err) == (3, False)


@pytest.mark.parametrize("mark", ['"', "'"])
def test_a_key_in_quotation_marks_is_refused_before_it_is_sent(cli, box, mark):
    before = len(box.journal)
    cli.env["WOODPECKER_API_KEY"] = f"{mark}{box.hq_key}{mark}"
    got = cli("me")
    assert (got.code, "in quotation marks" in got.err, len(box.journal)) == (2, True, before)
