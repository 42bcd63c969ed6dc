"""`woodpecker-async worker`: a process that runs the jobs of sweeps."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from woodpecker_async.cli import process
from woodpecker_async.cli.connection import Connection, connected, connection_options

if TYPE_CHECKING:
    from woodpecker_async import WoodpeckerSession

C = TypeVar("C", bound=Callable[..., Any])

_OPTIONS: Final = (
    click.option(
        "--redis",
        "redis_url",
        metavar="URL",
        envvar="WOODPECKER_REDIS_URL",
        required=True,
        show_envvar=True,
        help="redis://host:port/database. If it contains a password, use the environment variable, because other "
        "users can see options.",
    ),
    click.option(
        "--queue",
        metavar="NAME",
        default="woodpecker",
        show_default=True,
        help="Name of the queue, if one Redis has several.",
    ),
)


def queue_options(command: C) -> C:
    """Add the options that choose the queue to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def check_installed() -> None:
    """Check that the packages the queue needs are installed.

    Raises:
        click.ClickException: they are not.
    """
    if find_spec("saq") is None or find_spec("redis") is None:
        raise click.ClickException("workers need saq and redis: pip install 'woodpecker-async[workers]'")


@click.command()
@queue_options
@click.option(
    "--sink",
    "sinks",
    metavar="NAME=FILE",
    multiple=True,
    help="JSON Lines file (mode 0600) for the keys of `keys sweep --sink NAME`; repeatable.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(1, 64),
    default=2,
    show_default=True,
    help="Jobs of 25 companies each to run at a time.",
)
@click.option(
    "--grace",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    default=8.0,
    show_default=True,
    help="On shutdown, how long to wait for the companies in flight.",
)
@connection_options
@click.pass_obj
def worker(
    connection: Connection, redis_url: str, queue: str, sinks: tuple[str, ...], concurrency: int, grace: float
) -> int:
    """Run the jobs of `keys sweep` until Ctrl-C or SIGTERM.

    On shutdown, it finishes the companies in flight and returns the rest to the queue. You can start any number of
    workers on any number of machines: together they stay within the account's limit.
    """
    check_installed()
    named = dict(map(_named, sinks))
    from woodpecker_async import Limits  # noqa: PLC0415 - not for --help
    from woodpecker_async.workers.redis import as_secret, check  # noqa: PLC0415

    check(as_secret(redis_url))
    limits = Limits(shared=redis_url)

    async def work(woodpecker: "WoodpeckerSession") -> int:
        from woodpecker_async.cli.waiting import watching  # noqa: PLC0415
        from woodpecker_async.workers import saq  # noqa: PLC0415

        waits_for: str | None = "Waiting for Redis, which is not responding."

        def tell(news: str) -> None:
            nonlocal waits_for
            waits_for = None  # from now on, waiting for jobs is normal
            connection.note(news)

        async with watching(lambda: waits_for, connection):
            await saq.work(
                woodpecker,
                redis_url,
                queue=queue,
                sinks=named,
                concurrency=concurrency,
                grace=grace,
                stop=process.stop_event(),
                on_news=tell,
            )
        return process.DONE

    return connected(connection, work, limits, patient=True)


def _named(sink: str) -> tuple[str, Path]:
    name, equals, path = sink.partition("=")
    if not (name and equals and path):
        raise process.UsageError(f"--sink must be NAME=FILE, not {sink!r}")
    return name, Path(path)
