"""Where each setting of a command comes from: an option, a profile, the environment, or what is built in.

The nearer source wins: an option; the profile that was named by `--profile`; the environment; the profile that the
configuration file or `WOODPECKER_PROFILE` makes the default; what is built in.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from woodpecker_async.cli import files
from woodpecker_async.cli.process import UsageError
from woodpecker_async.secret import Secret

BUILT_IN_BASE_URL: Final = "https://api.woodpecker.co/rest"
KEYRING_SERVICE: Final = "woodpecker-async"

_KEY_SETTINGS: Final = ("api_key_file", "keyring")


@dataclass(frozen=True)
class Setting:
    """Something that can be set in several places.

    Attributes:
        name: what it is called in a profile.
        kind: the type of its value there.
        variable: the environment variable.
        built_in: its value if it is set nowhere.
        least: the value must not be below this, or, for seconds, must be above it.
    """

    name: str
    kind: type
    variable: str
    built_in: object = None
    least: float | None = None

    @property
    def option(self) -> str:
        """The option of the command line."""
        return "--" + self.name.replace("_", "-")

    def parsed(self, value: object, source: str) -> Any:
        """The value, from a profile or a variable.

        Raises:
            UsageError: it is none.
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
            return "a string that is not empty"
        return f"an integer >= {self.least}" if self.kind is int else f"a number of seconds above {self.least:g}"


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
    """A setting's value, and who said so."""

    value: Any
    source: str


@dataclass(frozen=True)
class Profile:
    """A profile of the configuration file.

    Attributes:
        name: its name.
        path: the file.
        values: what it sets.
        named: whether `--profile` named it; if not, the environment wins over it.
    """

    name: str
    path: Path
    values: Mapping[str, Any] = field(repr=False)
    named: bool = False

    def source(self, name: str) -> str:
        """How a message speaks of one of its settings."""
        return f"{name} of profile {self.name!r} in {self.path}"

    def file(self, name: str) -> Path:
        """A file that one of its settings names: below the directory of the configuration, if it is relative."""
        return self.path.parent / Path(self.values[name]).expanduser()


@dataclass(frozen=True)
class Key:
    """Where the API key is, and how to get it."""

    source: str
    read: Callable[[], Secret] = field(repr=False)


def find_config(environ: Mapping[str, str]) -> tuple[Path | None, bool]:
    """Where the configuration file is to be, and whether somebody said so; it need not exist."""
    if said := environ.get("WOODPECKER_CONFIG"):
        return Path(said).expanduser(), True
    base = environ.get("XDG_CONFIG_HOME", "")
    try:
        # The specification of these directories says that a relative one is to be ignored.
        root = Path(base) if Path(base).is_absolute() else Path.home() / ".config"
    except RuntimeError:  # nobody's home
        return None, False
    return root / "woodpecker-async" / "config.toml", False


def find_profile(named: str | None, environ: Mapping[str, str]) -> Profile | None:
    """The profile to use, if any.

    Raises:
        UsageError: the file cannot be read, others can read it too, it makes no sense, or has no such profile.
    """
    path, said = find_config(environ)
    default = environ.get("WOODPECKER_PROFILE") or None
    asked = named or default
    if asked is not None and path is not None and not os.path.lexists(path):
        raise UsageError(
            f"cannot read {path}: there is no such file, and so no profile {asked!r}; "
            "`woodpecker-async help config` shows what it looks like"
        )
    config = None if path is None else _read(path, must_be_there=said or asked is not None)
    if path is None or config is None:
        if asked is not None:
            raise UsageError(f"there is no configuration file for profile {asked!r}: HOME is not set")
        return None
    profiles = _profiles(config, path)
    name = asked or config.get("default_profile")
    if name is None:
        return None
    if name not in profiles:
        there_are = ", ".join(profiles) or "none"
        raise UsageError(f"there is no profile {name!r} in {path}; there are: {there_are}")
    return Profile(name, path, profiles[name], named=named is not None)


def profile_names(environ: Mapping[str, str]) -> list[str]:
    """The profiles there are, for a shell that completes their names; none if the file cannot be used."""
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
            pass  # what is wrong with it is said below
    text = files.read_private(path, "a configuration file")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not TOML: {error}") from None


def _profiles(config: Mapping[str, Any], path: Path) -> Mapping[str, Mapping[str, Any]]:
    for name in config:
        if name not in ("default_profile", "profiles"):
            known = "default_profile and tables like [profiles.agency]"
            raise UsageError(f"{path} has {name!r} at its top, where only {known} can be")
    profiles = config.get("profiles", {})
    if not isinstance(profiles, dict) or not all(isinstance(profile, dict) for profile in profiles.values()):
        raise UsageError(f"{path}: profiles are tables, like [profiles.agency]")
    if not isinstance(config.get("default_profile", ""), str):
        raise UsageError(f"{path}: default_profile is the name of a profile")
    for profile, values in profiles.items():
        _check_names(values, f"profile {profile!r} in {path}")
    return profiles


def _check_names(values: Mapping[str, Any], where: str) -> None:
    known = [*_KEY_SETTINGS, *(setting.name for setting in SETTINGS)]
    for name, value in values.items():
        if name == "api_key":
            raise UsageError(f"{where} holds an API key: put it into a file or the keyring (api_key_file, keyring)")
        if name not in known:
            meant = get_close_matches(name, known, n=1)
            hint = f"did you mean {meant[0]}?" if meant else f"there are: {', '.join(known)}"
            raise UsageError(f"{where} has an unknown setting {name!r}; {hint}")
        if name == "api_key_file" and not (isinstance(value, str) and value):
            raise UsageError(f"api_key_file of {where} must be the name of a file")
        if name == "keyring" and not (isinstance(value, bool) or (isinstance(value, str) and value)):
            raise UsageError(f"keyring of {where} must be true, or the user name that the key is kept under")
    if values.get("api_key_file") and values.get("keyring"):
        raise UsageError(f"{where} has both api_key_file and keyring: say where the key is")


def find(setting: Setting, given: object, profile: Profile | None, environ: Mapping[str, str]) -> Found:
    """The value of a setting.

    Args:
        setting: which.
        given: the value of its option; `None` if it was not given.
        profile: the profile in use.
        environ: the environment.

    Raises:
        UsageError: a profile or a variable has a value that cannot be.
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
        UsageError: the environment says it twice.
    """
    in_profile = None if profile is None else _key_of(profile)
    if in_profile is not None and profile is not None and profile.named:
        return in_profile
    key, path = environ.get("WOODPECKER_API_KEY"), environ.get("WOODPECKER_API_KEY_FILE")
    if key and path:
        raise UsageError("WOODPECKER_API_KEY and WOODPECKER_API_KEY_FILE are both set: keep one of them")
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
    """The key that a text is, without what editors and shells put around it.

    Raises:
        UsageError: it is none.
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
        raise UsageError("the profile keeps its key in a keyring: pip install 'woodpecker-async[keyring]'") from None
    try:
        key = keyring.get_password(KEYRING_SERVICE, user)
    except keyring.errors.NoKeyringError:
        raise UsageError("there is no keyring on this machine that can be used: name an api_key_file") from None
    except Exception as error:
        # A backend may fail in any way; its text is not shown, for nobody has seen to it that it holds no key.
        raise UsageError(f"{where} cannot be read ({type(error).__name__}): is it locked?") from None
    if not key:
        raise UsageError(f"there is no API key in {where}; put it there with: keyring set {KEYRING_SERVICE} {user}")
    return as_key(key, where)


def has_password(url: str) -> bool:
    """Whether a URL holds a password, or looks so much like it that it is to be treated as one."""
    try:
        return urlsplit(url).password is not None
    except ValueError:
        return "@" in url


def shown_url(url: str) -> str:
    """A URL without its password and without its query, which may hold one too."""
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
