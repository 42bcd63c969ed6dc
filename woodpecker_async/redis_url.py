"""The URL of a Redis in an option: validating it, and showing it without its password."""

from urllib.parse import urlsplit

from woodpecker_async.secret import Secret

_EXAMPLE = "redis://localhost:6379/0"


def fault(url: Secret) -> str | None:
    """Return what is wrong with a URL, without quoting it; `None` if it is valid."""
    try:
        parts = urlsplit(url.reveal())
        parts.port  # noqa: B018 - raises if it is invalid
    except ValueError:
        return "this URL cannot be parsed: check host and port, and percent-encode the password"
    database = parts.path.strip("/")
    if parts.scheme not in ("redis", "rediss", "unix"):
        return "its scheme must be redis://, rediss:// or unix://"
    if parts.scheme == "unix":
        complete = database and not parts.netloc.rpartition("@")[2]
        return None if complete else "unix:// must be followed by an absolute path: unix:///run/redis.sock"
    if not parts.hostname:
        return "this URL has no host"
    if database and not database.isdecimal():
        return f"its path must be the number of a database, as in {_EXAMPLE}"
    return None


def without_password(url: Secret) -> str:
    """Return the URL without the password, and without the query, which may contain one too."""
    parts = urlsplit(url.reveal())
    user, has_password, _ = parts.netloc.rpartition("@")[0].partition(":")
    shown = (user + (":****" if has_password else "") + "@") if user or has_password else ""
    return f"{parts.scheme}://{shown}{parts.netloc.rpartition('@')[2]}{parts.path}"


def address(url: Secret) -> str:
    """Return host and port, or the path of the socket."""
    parts = urlsplit(url.reveal())
    return parts.path if parts.scheme == "unix" else f"{parts.hostname}:{parts.port or 6379}"
