"""Where each setting of a command comes from: an option, a profile, the environment, or the built-in default.

In order of precedence: an option; the profile named by `--profile`; the environment; the default profile, named by
`WOODPECKER_PROFILE` or in the configuration file; the built-in default.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from woodpecker_async.cli import files
from woodpecker_async.cli.process import UsageError
from woodpecker_async.cli.slips import suggestion
from woodpecker_async.secret import Secret

BUILT_IN_BASE_URL: Final = "https://api.woodpecker.co/rest"
KEYRING_SERVICE: Final = "woodpecker-async"

_KEY_SETTINGS: Final = ("api_key_file", "keyring")


@dataclass(frozen=True)
class Setting:
    """A setting that can come from several places.

    Attributes:
        name: its name in a profile.
        kind: the type of its value in a profile.
        variable: the environment variable.
        built_in: its default value.
        least: the lowest value allowed; for seconds, the value must be greater than this.
    """

    name: str
    kind: type
    variable: str
    built_in: object = None
    least: float | None = None

    @property
    def option(self) -> str:
        """The command-line option."""
        return "--" + self.name.replace("_", "-")

    def parsed(self, value: object, source: str) -> Any:
        """Parse and validate a value from a profile or a variable.

        Raises:
            UsageError: the value is invalid.
        """
        if isinstance(value, str) and self.kind is not str and source == self.variable:
            try:
                value = self.kind(value)
            except ValueError:
                raise UsageError(f"{source} must be {self._expected}, not {value!r}") from None
        if self.kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if type(value) is not self.kind or not self._in_bounds(value):
            raise UsageError(f"{source} must be {self._expected}, not {value!r}")
        return value

    def _in_bounds(self, value: Any) -> bool:
        if self.kind is str:
            return bool(value)
        if self.least is None:
            return True
        return bool(self.least < value < float("inf")) if self.kind is float else bool(value >= self.least)

    @property
    def _expected(self) -> str:
        if self.kind is str:
            return "a non-empty string"
        return f"an integer >= {self.least}" if self.kind is int else f"a number of seconds > {self.least:g}"


SETTINGS: Final = (
    Setting("base_url", str, "WOODPECKER_BASE_URL", BUILT_IN_BASE_URL),
    Setting("deadline", float, "WOODPECKER_DEADLINE", 120.0, least=0),
    Setting("attempts", int, "WOODPECKER_ATTEMPTS", 5, least=1),
    Setting("proxy", str, "WOODPECKER_PROXY"),
    Setting("ca_file", str, "WOODPECKER_CA_FILE"),
    Setting("shared", str, "WOODPECKER_SHARED"),
)


@dataclass(frozen=True)
class Found:
    """A setting's value, and where it came from."""

    value: Any
    source: str


@dataclass(frozen=True)
class Profile:
    """A profile of the configuration file.

    Attributes:
        name: its name.
        path: the file.
        values: what it sets.
        named: whether `--profile` named it; if not, the environment overrides it.
    """

    name: str
    path: Path
    values: Mapping[str, Any] = field(repr=False)
    named: bool = False

    def source(self, name: str) -> str:
        """How messages refer to one of its settings."""
        return f"{name} of profile {self.name!r} in {self.path}"

    def file(self, name: str) -> Path:
        """A file that one of its settings names; a relative path starts at the configuration file's directory."""
        return self.path.parent / Path(self.values[name]).expanduser()


@dataclass(frozen=True)
class Key:
    """Where the API key is, and how to read it."""

    source: str
    read: Callable[[], Secret] = field(repr=False)


def find_config(environ: Mapping[str, str]) -> tuple[Path | None, bool]:
    """The path of the configuration file, which need not exist, and whether a variable names it."""
    if said := environ.get("WOODPECKER_CONFIG"):
        return Path(said).expanduser(), True
    base = environ.get("XDG_CONFIG_HOME", "")
    try:
        # The XDG base directory specification says to ignore relative paths.
        root = Path(base) if Path(base).is_absolute() else Path.home() / ".config"
    except RuntimeError:  # there is no home directory
        return None, False
    return root / "woodpecker-async" / "config.toml", False


def find_profile(named: str | None, environ: Mapping[str, str]) -> Profile | None:
    """The profile to use, if any.

    Raises:
        UsageError: the file cannot be read, is readable by others, is invalid, or has no such profile.
    """
    path, said = find_config(environ)
    default = environ.get("WOODPECKER_PROFILE") or None
    asked = named or default
    if asked is not None and path is not None and not os.path.lexists(path):
        raise UsageError(
            f"cannot read {path}: there is no such file, so there is no profile {asked!r}; "
            "`woodpecker-async help config` shows what it looks like"
        )
    config = None if path is None else _read(path, must_be_there=said or asked is not None)
    if path is None or config is None:
        if asked is not None:
            raise UsageError(f"there is no configuration file to read profile {asked!r} from: HOME is not set")
        return None
    profiles = _profiles(config, path)
    name = asked or config.get("default_profile")
    if name is None:
        return None
    if name not in profiles:
        there_are = ", ".join(profiles) or "none"
        raise UsageError(f"there is no profile {name!r} in {path}; available: {there_are}")
    return Profile(name, path, profiles[name], named=named is not None)


def profile_names(environ: Mapping[str, str]) -> list[str]:
    """The names of the profiles, for shell completion; empty if the file cannot be used."""
    path, _ = find_config(environ)
    try:
        config = None if path is None else _read(path, must_be_there=False)
        return [] if path is None or config is None else list(_profiles(config, path))
    except UsageError:
        return []


def _read(path: Path, *, must_be_there: bool) -> Mapping[str, Any] | None:
    import tomllib  # noqa: PLC0415 - not for --help

    if not must_be_there:
        try:
            path.open("rb").close()
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return None
        except OSError:
            pass  # reported below
    text = files.read_private(path, "a configuration file")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not valid TOML: {error}") from None


def _profiles(config: Mapping[str, Any], path: Path) -> Mapping[str, Mapping[str, Any]]:
    for name in config:
        if name not in ("default_profile", "profiles"):
            known = "default_profile and tables like [profiles.agency]"
            raise UsageError(f"{path}: unknown {name!r} at the top level, which takes only {known}")
    profiles = config.get("profiles", {})
    if not isinstance(profiles, dict) or not all(isinstance(profile, dict) for profile in profiles.values()):
        raise UsageError(f"{path}: profiles must be tables, like [profiles.agency]")
    if not isinstance(config.get("default_profile", ""), str):
        raise UsageError(f"{path}: default_profile must be the name of a profile")
    for profile, values in profiles.items():
        _check_names(values, f"profile {profile!r} in {path}")
    return profiles


def _check_names(values: Mapping[str, Any], where: str) -> None:
    known = [*_KEY_SETTINGS, *(setting.name for setting in SETTINGS)]
    for name, value in values.items():
        if name == "api_key":
            raise UsageError(f"{where} contains an API key: move it to a file (api_key_file) or the keyring (keyring)")
        if name not in known:
            raise UsageError(f"{where} has an unknown setting {name!r}; {suggestion(name, known)}")
        if name == "api_key_file" and not (isinstance(value, str) and value):
            raise UsageError(f"api_key_file of {where} must be the name of a file")
        if name == "keyring" and not (isinstance(value, bool) or (isinstance(value, str) and value)):
            raise UsageError(f"keyring of {where} must be true, or the user name that the key is stored under")
    if values.get("api_key_file") and values.get("keyring"):
        raise UsageError(f"{where} has both api_key_file and keyring: keep only one of them")


def find(setting: Setting, given: object, profile: Profile | None, environ: Mapping[str, str]) -> Found:
    """The value of a setting.

    Args:
        setting: the setting.
        given: the value of its option; `None` if it was not given.
        profile: the profile in use.
        environ: the environment.

    Raises:
        UsageError: a profile or a variable has an invalid value.
    """
    if given is not None:
        return Found(given, setting.option)
    in_profile = []
    if profile is not None and setting.name in profile.values:
        source = profile.source(setting.name)
        value = setting.parsed(profile.values[setting.name], source)
        if setting.name == "ca_file":
            value = str(profile.file("ca_file"))
        in_profile = [Found(value, source)]
        if profile.named:
            return in_profile[0]
    if said := environ.get(setting.variable):
        return Found(setting.parsed(said, setting.variable), setting.variable)
    return in_profile[0] if in_profile else Found(setting.built_in, "built in")


def find_key(profile: Profile | None, environ: Mapping[str, str]) -> Key | None:
    """Where the key is, if no option says so.

    Raises:
        UsageError: two environment variables name it.
    """
    in_profile = None if profile is None else _key_of(profile)
    if in_profile is not None and profile is not None and profile.named:
        return in_profile
    key, path = environ.get("WOODPECKER_API_KEY"), environ.get("WOODPECKER_API_KEY_FILE")
    if key and path:
        raise UsageError("WOODPECKER_API_KEY and WOODPECKER_API_KEY_FILE are both set: unset one of them")
    if key:
        return Key("WOODPECKER_API_KEY", lambda: as_key(environ["WOODPECKER_API_KEY"], "WOODPECKER_API_KEY"))
    if path:
        return key_in_file(Path(path), "WOODPECKER_API_KEY_FILE")
    return in_profile


def _key_of(profile: Profile) -> Key | None:
    if "api_key_file" in profile.values:
        return key_in_file(profile.file("api_key_file"), profile.source("api_key_file"))
    if where := profile.values.get("keyring"):
        user = profile.name if where is True else where
        return Key(profile.source("keyring"), lambda: _from_keyring(user))
    return None


def key_in_file(path: Path, source: str) -> Key:
    """A key in a file."""
    return Key(source, lambda: as_key(files.read_private(path), str(path)))


def as_key(text: str, source: str) -> Secret:
    """A text as an API key, without the byte order mark and whitespace that editors and shells add.

    Raises:
        UsageError: the text is empty.
    """
    text = text.removeprefix("\ufeff").strip()
    if not text:
        raise UsageError(f"there is no API key in {source}")
    return Secret(text)


def _from_keyring(user: str) -> Secret:
    where = f"the keyring (service {KEYRING_SERVICE!r}, user {user!r})"
    try:
        import keyring  # noqa: PLC0415 - it is an extra, and slow
        import keyring.errors  # noqa: PLC0415
    except ImportError:
        raise UsageError("the profile's key is in a keyring: pip install 'woodpecker-async[keyring]'") from None
    try:
        key = keyring.get_password(KEYRING_SERVICE, user)
    except keyring.errors.NoKeyringError:
        raise UsageError("this machine has no usable keyring: set api_key_file instead") from None
    except Exception as error:
        # A backend may fail in any way; its message is not shown, because it might contain the key.
        raise UsageError(f"{where} cannot be read ({type(error).__name__}): is it locked?") from None
    if not key:
        raise UsageError(f"there is no API key in {where}; store it with: keyring set {KEYRING_SERVICE} {user}")
    return as_key(key, where)


def has_password(url: str) -> bool:
    """Whether a URL contains a password, or cannot be parsed and might contain one."""
    try:
        return urlsplit(url).password is not None
    except ValueError:
        return "@" in url


def shown_url(url: str) -> str:
    """A URL without its password and its query, which may contain one too."""
    try:
        parts = urlsplit(url)
        user, host = parts.username, parts.netloc.rpartition("@")[2]
    except ValueError:
        return "****"
    login = "" if "@" not in parts.netloc else f"{user or ''}{':****' if parts.password is not None else ''}@"
    return f"{parts.scheme}://{login}{host}{parts.path}" if parts.scheme else url


def environment() -> Mapping[str, str]:
    """The environment."""
    return os.environ
