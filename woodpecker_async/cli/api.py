"""`woodpecker-async api`: call any endpoint, with the same lane, retries and errors as the other commands."""

import json
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import parse_qsl

import click

from woodpecker_async._redact import masked
from woodpecker_async.cli import process, terminal
from woodpecker_async.cli.connection import Connection, connected, connection_options
from woodpecker_async.cli.formats import json_text
from woodpecker_async.cli.ids import ID

if TYPE_CHECKING:
    from woodpecker_async import WoodpeckerSession
    from woodpecker_async.engine.operation import Operation, QueryValue
    from woodpecker_async.paging_styles import OneAnswer

_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
_MAX_INPUT: Final = 64 * 1024 * 1024


@click.command()
@click.argument("method", metavar=f"{{{'|'.join(_METHODS)}}}", type=click.Choice(_METHODS, case_sensitive=False))
@click.argument("path")
@click.option(
    "--company",
    "company_id",
    type=ID,
    metavar="ID",
    help="Act on behalf of this client company (x-company-id); default: the key's own account.",
)
@click.option(
    "--field",
    "fields",
    metavar="NAME=VALUE",
    multiple=True,
    help="A query parameter of a GET, or a field of the JSON body of other methods; repeatable. VALUE is parsed as "
    "JSON if possible, and is text otherwise.",
)
@click.option("--input", "input_file", metavar="FILE", help="The JSON body, from a file; - is stdin.")
@click.option("--paginate", is_flag=True, help="Read all pages of a list and print its items.")
@click.option("--reveal", is_flag=True, help="Show keys and other secrets in full.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["json", "jsonl"]),
    default="json",
    show_default=True,
    help="Indented JSON, or one line per item of a list.",
)
@connection_options
@click.pass_obj
def api(
    connection: Connection,
    method: str,
    path: str,
    company_id: int | None,
    fields: tuple[str, ...],
    input_file: str | None,
    paginate: bool,
    reveal: bool,
    format_: str,
) -> int:
    """Call any endpoint of the API.

    PATH is relative to the base URL, like /v2/mailboxes, and may include a query. The response is printed as JSON,
    with keys and other secrets masked. After a failure that leaves it open whether the server processed the request,
    only a GET is retried. /agency paths name the company themselves, so --company is for other paths. For the
    endpoints and their fields, see the vendor's API documentation.

    With --paginate, duplicate items are printed once. If the list kept changing while it was being read, a message on
    stderr says that an item may be missing, and the exit code is 3.
    """
    path, query = _split(path)
    given = dict(_field(field) for field in fields)
    if len(given) < len(fields):
        raise click.UsageError("a --field is given twice: give each field once")
    if paginate and method != "GET":
        raise click.UsageError("--paginate works only with GET")
    if method == "GET":
        if input_file is not None:
            raise click.UsageError("a GET has no body: use --field NAME=VALUE for query parameters")
        if both := query.keys() & given.keys():
            raise click.UsageError(f"{min(both)!r} is both in the query of PATH and in --field")
        query |= {name: _parameter(name, value) for name, value in given.items()}
        body = None
    else:
        if input_file is not None and given:
            raise click.UsageError("--input is the whole body: leave out --field")
        if input_file == "-" and connection.api_key_stdin:
            raise click.UsageError("--input - and --api-key-stdin both read stdin")
        body = _body(input_file) if input_file is not None else given or None

    async def work(woodpecker: "WoodpeckerSession") -> int:
        operation = _operation(method, path, query, body, company_id)
        show = partial(_show, reveal=reveal, format_=format_, connection=connection)
        if paginate:
            return await _paginated(woodpecker, operation, show, connection)
        answer = (await woodpecker._agency.run(operation)).value
        if answer is None:
            connection.note("Done; the response has no body.")
        else:
            show(answer)
        return process.DONE

    return connected(connection, work)


def _operation(
    method: str, path: str, query: "Mapping[str, QueryValue]", body: Any, company_id: int | None
) -> "Operation[Any]":
    from woodpecker_async.engine.operation import OWN, is_account_level, raw_request  # noqa: PLC0415 - not for --help

    if not is_account_level(path):
        if company_id is not None:
            raise process.UsageError("an /agency path names the company itself: leave out --company")
        return raw_request(method, path, query, body, None)
    return raw_request(method, path, query, body, OWN if company_id is None else company_id)


def _split(path: str) -> tuple[str, "dict[str, QueryValue]"]:
    if "://" in path:
        raise click.UsageError("PATH must be relative to the base URL, like /v2/mailboxes; set that with --base-url")
    path = path if path.startswith("/") else f"/{path}"
    if path.startswith("/rest/"):
        raise click.UsageError(f"/rest is already in the base URL: the path is {path.removeprefix('/rest')}")
    path, _, query = path.partition("?")
    pairs = parse_qsl(query, keep_blank_values=True)
    if len(dict(pairs)) < len(pairs):
        raise click.UsageError("a parameter occurs twice in the query of PATH")
    return path, dict(pairs)


def _field(field: str) -> tuple[str, Any]:
    name, equals, text = field.partition("=")
    if not (name and equals):
        raise click.UsageError(f"--field must be NAME=VALUE, not {field!r}")
    try:
        return name, json.loads(text, parse_constant=str)
    except (ValueError, RecursionError):
        return name, text


def _parameter(name: str, value: Any) -> "QueryValue":
    if isinstance(value, dict | list | float) or value is None:
        return json.dumps(value, separators=(",", ":"))
    if isinstance(value, bool | int | str):
        return value
    raise click.UsageError(f"--field {name}: a query parameter must be text, a number, true or false")


def _body(name: str) -> Any:
    where = "stdin" if name == "-" else name
    try:
        if name == "-":
            if sys.stdin is None:
                raise process.UsageError("stdin is closed")
            text: str | bytes = sys.stdin.read()
        else:
            with Path(name).open("rb") as file:
                text = file.read(_MAX_INPUT + 1)
    except OSError as error:
        raise process.UsageError(f"cannot read {name}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise process.UsageError("stdin is not text") from None
    if len(text) > _MAX_INPUT:
        raise process.UsageError(f"{where} is larger than {_MAX_INPUT // 1024**2} MiB")
    try:
        # A byte order mark is not valid JSON, but some editors write it.
        return json.loads(text.removeprefix("\ufeff") if isinstance(text, str) else text)
    except (ValueError, RecursionError):
        raise process.UsageError(f"{where} is not valid JSON") from None


def _show(answer: Any, *, reveal: bool, format_: str, connection: Connection) -> None:
    shown = answer if reveal else masked(answer)
    if format_ == "jsonl" and isinstance(shown, list):
        for item in shown:
            terminal.write(json_text(item) + "\n")
    else:
        terminal.write(json_text(shown, indent=2 if format_ == "json" else None) + "\n")
    if shown != answer:
        connection.note("Secrets are masked; to see them in full, add --reveal.")


# ---- all pages


async def _paginated(
    woodpecker: "WoodpeckerSession", operation: "Operation[Any]", show: Any, connection: Connection
) -> int:
    from attrs import evolve  # noqa: PLC0415 - not for --help

    from woodpecker_async.pagination import Pager  # noqa: PLC0415
    from woodpecker_async.settled import read_settled  # noqa: PLC0415

    first = await woodpecker._agency.run(operation)
    style: Any = _style(first.value, counted="x-total-count" in first.headers)
    if style is None:
        connection.note("The response says nothing about more pages; printing it as it is.")
        show(first.value)
        return process.DONE
    if named := {"page", getattr(style, "name", "page")} & operation.params.keys():
        raise process.UsageError(f"--paginate reads all pages: leave out {min(named)}")
    if style.numbered and await _counts_from_0(woodpecker, operation, first.value):
        style = evolve(style, base=0)
    shape = style.body(cast("type[Any]", Any))

    def page(position: int | str) -> Any:
        asked = {**operation.params, **style.ask(position)}
        return evolve(operation, params=asked, response_type=shape)

    pager: Pager[Any] = Pager(woodpecker._agency, page, style, key=partial(json.dumps, sort_keys=True))
    read = await read_settled(pager)
    show(list(read.items))
    connection.note(terminal.count(len(read.items), "item"))
    if not read.settled:
        terminal.echo_err("The list changed each time it was read: an item may be missing. Run the command again.")
        return process.SOME_FAILED
    return process.DONE


def _style(answer: Any, *, counted: bool) -> "OneAnswer | None":
    """An endpoint's paging style, judged by its first response; `None` if the response does not say."""
    from woodpecker_async.paging_styles import Cursor, Numbered, Totalled  # noqa: PLC0415 - not for --help

    if isinstance(answer, list):
        return Totalled(items=None) if counted else None
    if not isinstance(answer, dict):
        return None
    lists = [name for name, value in answer.items() if isinstance(value, list)]
    if len(lists) != 1:
        return None
    if isinstance(answer.get("pagination_data"), dict):
        return Numbered(items=lists[0])
    if isinstance(answer.get("pagination"), dict):
        return Cursor(items=lists[0])
    return Totalled(items=lists[0]) if isinstance(answer.get("total"), int) else None


async def _counts_from_0(woodpecker: "WoodpeckerSession", operation: "Operation[Any]", first: Any) -> bool:
    """Whether page 1 is the second page, as documented for some endpoints; finds out by asking the server."""
    from attrs import evolve  # noqa: PLC0415 - not for --help

    second = await woodpecker._agency.run(evolve(operation, params={**operation.params, "page": 1}))
    numbers = _page_number(first), _page_number(second.value)
    if None not in numbers:
        return bool(numbers[0] != numbers[1])
    return bool(_items(first)) and _items(second.value) != _items(first)


def _page_number(answer: Any) -> Any:
    data = answer.get("pagination_data") if isinstance(answer, dict) else None
    return data.get("current_page_number") if isinstance(data, dict) else None


def _items(answer: Any) -> Any:
    if isinstance(answer, dict):
        return next((value for value in answer.values() if isinstance(value, list)), None)
    return answer
