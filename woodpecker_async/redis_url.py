"""The URL of a Redis, as an option may name it: what is wrong with it, and how it may be shown."""

from urllib.parse import urlsplit

from woodpecker_async.secret import Secret

_EXAMPLE = "redis://localhost:6379/0"


def fault(url: Secret) -> str | None:
    """What is wrong with a URL, in words that do not repeat it; `None` if it can be used."""
    try:
        parts = urlsplit(url.reveal())
        parts.port  # noqa: B018 - raises, if it is no port
    except ValueError:
        return "this URL cannot be read: check host and port, and quote the password"
    database = parts.path.strip("/")
    if parts.scheme not in ("redis", "rediss", "unix"):
        return "the schemes are redis://, rediss:// and unix://"
    if parts.scheme == "unix":
        complete = database and not parts.netloc.rpartition("@")[2]
        return None if complete else "unix:// goes before the whole path: unix:///run/redis.sock"
    if not parts.hostname:
        return "this URL names no host"
    if database and not database.isdecimal():
        return f"the path of the URL is the number of a database, as in {_EXAMPLE}"
    return None


def without_password(url: Secret) -> str:
    """The URL without the password, and without the query, which may hold one too."""
    parts = urlsplit(url.reveal())
    user, has_password, _ = parts.netloc.rpartition("@")[0].partition(":")
    shown = (user + (":****" if has_password else "") + "@") if user or has_password else ""
    return f"{parts.scheme}://{shown}{parts.netloc.rpartition('@')[2]}{parts.path}"


def address(url: Secret) -> str:
    """Host and port, or the path of the socket."""
    parts = urlsplit(url.reveal())
    return parts.path if parts.scheme == "unix" else f"{parts.hostname}:{parts.port or 6379}"
