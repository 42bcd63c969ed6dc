"""A job as JSON: which companies, what to do for each, and the key that identifies the job.

A payload never contains a secret: it has the name of a sink, and the worker knows which sink that is.
"""

import re
import secrets
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal, Self, get_args

import attrs

from woodpecker_async import checks
from woodpecker_async.errors import ConfigError

VERSION: Final = 1

Payload = dict[str, Any]
Result = dict[str, Any]
Task = Literal["list", "ensure"]

# Names become parts of keys in the queue's store.
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def new_run_id() -> str:
    """Return a new id for a run; ids sort by time."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def _name(_: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ConfigError(
            f"{attribute.alias} must be 1 to 64 letters, digits, dots, dashes and underscores, not {value!r}"
        )


@attrs.frozen(kw_only=True)
class Sweep:
    """One run over many companies: what to do for each, and how to split the work into jobs.

    Attributes:
        run: its id; a sweep started again with the same id continues where it stopped. By default a new id.
        task: `"list"` lists the keys of each company, `"ensure"` makes sure that each has a key with `label`.
        label: the label, for `"ensure"`: not empty, no whitespace at either end; kept in NFC.
        sink: the name of the sink for the keys, for `"ensure"`; the worker knows which sink that is.
        active: only active companies (`True`), only inactive ones (`False`), or all (`None`). By default all for
            `"list"`, the active ones for `"ensure"`.
        chunk_size: the number of companies in one job, 1 to 1000.

    Raises:
        ConfigError: an argument is invalid.
    """

    run: str = attrs.field(factory=new_run_id, validator=_name)
    task: Task = "list"
    label: str | None = None
    sink: str | None = None
    active: bool | None = attrs.field(
        default=attrs.Factory(lambda self: self.task == "ensure" or None, takes_self=True)
    )
    chunk_size: int = 25

    def __attrs_post_init__(self) -> None:
        if self.task not in get_args(Task):
            raise ConfigError(f"task must be 'list' or 'ensure', not {self.task!r}")
        if self.active is not None and not isinstance(self.active, bool):
            raise ConfigError(f"active must be True, False or None, not {self.active!r}")
        if (
            isinstance(self.chunk_size, bool)
            or not isinstance(self.chunk_size, int)
            or not 1 <= self.chunk_size <= 1000
        ):
            raise ConfigError(f"chunk_size must be an integer from 1 to 1000, not {self.chunk_size!r}")
        if self.task == "list":
            if self.label is not None or self.sink is not None:
                raise ConfigError("label and sink are for the task 'ensure'")
            return
        object.__setattr__(self, "label", checks.label(self.label))
        if self.sink is None:
            raise ConfigError("sink must name the worker's sink for the keys: without one they would be lost")
        _name(self, attrs.fields(type(self)).sink, self.sink)

    @property
    def report_task(self) -> str:
        """The task in its reports, see `bulk.Report`."""
        return "list" if self.task == "list" else f"ensure {self.label}"

    def plan(self) -> Payload:
        """Return the first job, which finds out which companies there are."""
        return Job(sweep=self).to_payload()

    def chunk(self, number: int, companies: Iterable[int], *, inactive: Iterable[int] = ()) -> Payload:
        """Return a job for one or more companies.

        Args:
            number: an integer >= 0 that identifies the chunk in this run.
            companies: ids, none of them in another chunk.
            inactive: those of them that are known to be inactive.

        Raises:
            ConfigError: an argument is invalid.
        """
        return Job(sweep=self, chunk=number, companies=tuple(companies), inactive=frozenset(inactive)).to_payload()


@attrs.frozen(kw_only=True)
class Job:
    """One job of a sweep.

    Attributes:
        sweep: the sweep.
        chunk: its number; `None` for the job that plans the others.
        companies: the ids of its companies.
        inactive: those of them that are known to be inactive.

    Raises:
        ConfigError: an argument is invalid.
    """

    sweep: Sweep
    chunk: int | None = None
    companies: tuple[int, ...] = ()
    inactive: frozenset[int] = frozenset()

    def __attrs_post_init__(self) -> None:
        if self.chunk is None:
            return
        if isinstance(self.chunk, bool) or not isinstance(self.chunk, int) or self.chunk < 0:
            raise ConfigError(f"a chunk's number must be an integer >= 0, not {self.chunk!r}")
        for company in (*self.companies, *self.inactive):
            checks.company_id(company)
        if not self.companies or len(set(self.companies)) < len(self.companies):
            raise ConfigError("a chunk must have at least one company, and no company twice")

    @property
    def key(self) -> str:
        """Identifies the job, whoever sends it and however often."""
        return f"{self.sweep.run}:{self.sweep.task}:{'plan' if self.chunk is None else self.chunk}"

    def to_payload(self) -> Payload:
        """Return the job as a JSON object."""
        payload: Payload = {"version": VERSION, "sweep": attrs.asdict(self.sweep)}
        if self.chunk is not None:
            payload |= {"chunk": self.chunk, "companies": list(self.companies), "inactive": sorted(self.inactive)}
        return payload

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Self:
        """Load a job from a payload.

        Raises:
            ConfigError: it has another version, or is not a job.
        """
        version = payload.get("version") if isinstance(payload, Mapping) else None
        if version != VERSION:
            raise ConfigError(
                f"the job has version {version!r}, but this SDK runs jobs of version {VERSION}: "
                "use the same version of the SDK to send jobs and to run them"
            )
        try:
            sweep = Sweep(**payload["sweep"])
            if "chunk" not in payload:
                return cls(sweep=sweep)
            return cls(
                sweep=sweep,
                chunk=payload["chunk"],
                companies=tuple(payload["companies"]),
                inactive=frozenset(payload["inactive"]),
            )
        except (TypeError, KeyError) as error:
            raise ConfigError(f"this is not a job ({type(error).__name__})") from None
