"""What a job is, as JSON: which companies, what to do at each, and the key that makes it the same job again.

A payload never holds a secret: a sink is named, and the worker knows what the name stands for.
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

# They become parts of keys in whatever store a queue has.
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def new_run_id() -> str:
    """An id for a run that has not been used before; ids sort by time."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def _name(_: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ConfigError(
            f"{attribute.alias} must be 1 to 64 letters, digits, dots, dashes and underscores, not {value!r}"
        )


@attrs.frozen(kw_only=True)
class Sweep:
    """One run over many companies: what is done at each, and how the work is cut into jobs.

    Attributes:
        run: its id; a sweep that is started again with the same id goes on where it was. By default a new one.
        task: `"list"` lists the keys of each company, `"ensure"` sees to it that each has a key of `label`.
        label: the label, for `"ensure"`; not empty, no whitespace at its ends; kept as NFC.
        sink: the name of the sink that keys go to, for `"ensure"`; the worker knows what it stands for.
        active: whether only active companies or only inactive ones; `None` for all. By default all for
            `"list"`, the active ones for `"ensure"`.
        chunk_size: companies in one job, 1 to 1000.

    Raises:
        ConfigError: an argument is not usable.
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
            raise ConfigError("name the sink that the worker is to put keys in: without one they would be lost")
        _name(self, attrs.fields(type(self)).sink, self.sink)

    @property
    def report_task(self) -> str:
        """What its reports say that it does, see `bulk.Report`."""
        return "list" if self.task == "list" else f"ensure {self.label}"

    def plan(self) -> Payload:
        """The first job: find out which companies there are."""
        return Job(sweep=self).to_payload()

    def chunk(self, number: int, companies: Iterable[int], *, inactive: Iterable[int] = ()) -> Payload:
        """A job for some companies, or for one.

        Args:
            number: tells it from the other chunks of this run, 0 or more.
            companies: ids, none of them in another chunk.
            inactive: those of them that are known to be inactive.

        Raises:
            ConfigError: an argument is not usable.
        """
        return Job(sweep=self, chunk=number, companies=tuple(companies), inactive=frozenset(inactive)).to_payload()


@attrs.frozen(kw_only=True)
class Job:
    """One job of a sweep.

    Attributes:
        sweep: the sweep.
        chunk: its number; `None` for the job that plans the others.
        companies: ids.
        inactive: those of them that are known to be inactive.

    Raises:
        ConfigError: an argument is not usable.
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
            raise ConfigError("a chunk must have at least one company, and none twice")

    @property
    def key(self) -> str:
        """What makes it the same job again, whoever sends it, and however often."""
        return f"{self.sweep.run}:{self.sweep.task}:{'plan' if self.chunk is None else self.chunk}"

    def to_payload(self) -> Payload:
        """The job as a JSON object."""
        payload: Payload = {"version": VERSION, "sweep": attrs.asdict(self.sweep)}
        if self.chunk is not None:
            payload |= {"chunk": self.chunk, "companies": list(self.companies), "inactive": sorted(self.inactive)}
        return payload

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Self:
        """A job from what `to_payload` returned.

        Raises:
            ConfigError: it is of another version, or is none.
        """
        version = payload.get("version") if isinstance(payload, Mapping) else None
        if version != VERSION:
            raise ConfigError(
                f"the job has version {version!r}, and this SDK runs jobs of version {VERSION}: "
                "use the same version of the SDK where jobs are sent and where they are run"
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
