"""The outcome of each company, and the report on all of them."""

import json
import math
from collections import Counter
from typing import Any, ClassVar, Final, Literal, NamedTuple, NoReturn, Self, TypeAlias

import attrs

from woodpecker_async.bulk.failures import text_of
from woodpecker_async.errors import CompanyInactiveError, CompanyNotFoundError, ConfigError, WoodpeckerError
from woodpecker_async.models import ApiKey, Company

_VERSION: Final = 1


@attrs.frozen(kw_only=True)
class _Finished:
    """The outcome for one company.

    Attributes:
        company_id: the company's id.
        company: the company, if the run knows it (because it listed the companies, or was given `Company` objects).
        index: its position in the input, from 0.
        keys: its API keys, or the one that was ensured; empty if it failed.
        created: whether the ensured key is new; `None` if the run creates no keys, or it is not known.
        error: why it failed; `None` if it succeeded.
        drifted: whether the list changed each time it was read, so that a key may be missing; see `Pager.drifted`.
        attempts: how many requests it took, including refused and failed ones.
        seconds: how long it took, including the wait for the lane.
    """

    company_id: int
    company: Company | None = None
    index: int
    keys: tuple[ApiKey, ...] = ()
    created: bool | None = None
    error: WoodpeckerError | None = None
    drifted: bool = False
    attempts: int = 0
    seconds: float = 0.0


@attrs.frozen(kw_only=True)
class Succeeded(_Finished):
    """The outcome for a company that succeeded; see `Outcome`."""

    error: None = None
    ok: ClassVar[Literal[True]] = True
    inactive: ClassVar[Literal[False]] = False


@attrs.frozen(kw_only=True)
class Failed(_Finished):
    """The outcome for a company that failed; see `Outcome`."""

    error: WoodpeckerError
    ok: ClassVar[Literal[False]] = False

    @property
    def inactive(self) -> bool:
        """Whether it failed because, according to the server, the company is inactive."""
        if isinstance(self.error, CompanyInactiveError):
            return True
        known_inactive = self.company is not None and self.company.active is False
        return known_inactive and isinstance(self.error, CompanyNotFoundError)


Outcome: TypeAlias = Failed | Succeeded
"""The outcome for one company: `Succeeded` if `.ok` is true, else `Failed`, with an `.error`.

Type checkers narrow it by `isinstance(outcome, Failed)` and `outcome.error is not None`; mypy also by `outcome.ok`.
"""


class Failure(NamedTuple):
    """Why a company failed, as kept in a report.

    Attributes:
        kind: the name of the error's class.
        text: its message.
    """

    kind: str
    text: str


@attrs.define(kw_only=True)
class Report:
    """The results of a run. Contains no keys; can be saved, loaded, and continued from with `resume=`.

    Attributes:
        task: what the run does; only a run with the same task can resume from it.
        account: base URL and key fingerprint of its account; only a run with the same account can resume from it.
            `None` in a report saved before reports named their account: any run can resume from it, and then sets it.
        done: ids of the companies that succeeded.
        failures: by company id, why it failed.
        inactive: ids of the companies that failed because they are inactive.
        keys: how many keys were seen.
        created: how many keys were created, including those that the sink failed to store.
        drifted: ids of the companies whose list of keys changed each time it was read, so that a key may be missing.
        unsettled: whether the list of companies changed each time it was read, so that a company may be missing.
        requests: how many requests were made: every attempt of every call, including listing the companies.
        seconds: how long the run has taken so far.
        stopped_by: the type of the exception that ended the run early, if any: an error, or the exception that left the
            `async with` block, such as `CancelledError`.
    """

    task: str = ""
    account: str | None = None
    done: set[int] = attrs.field(factory=set)
    failures: dict[int, Failure] = attrs.field(factory=dict)
    inactive: set[int] = attrs.field(factory=set)
    drifted: set[int] = attrs.field(factory=set)
    unsettled: bool = False
    keys: int = 0
    created: int = 0
    requests: int = 0
    seconds: float = 0.0
    stopped_by: str | None = None

    @property
    def ok(self) -> int:
        """How many companies succeeded."""
        return len(self.done)

    @property
    def failed(self) -> int:
        """How many companies failed."""
        return len(self.failures)

    @property
    def total(self) -> int:
        """How many companies have an outcome."""
        return self.ok + self.failed

    @property
    def failures_by_type(self) -> dict[str, int]:
        """How many companies failed, by type of error, most frequent first."""
        return dict(Counter(failure.kind for failure in self.failures.values()).most_common())

    def to_json(self) -> str:
        """Return the report as JSON, without any keys."""
        return json.dumps(
            {
                "version": _VERSION,
                "task": self.task,
                "account": self.account,
                "done": sorted(self.done),
                "failures": {str(company): list(failure) for company, failure in sorted(self.failures.items())},
                "inactive": sorted(self.inactive),
                "drifted": sorted(self.drifted),
                "unsettled": self.unsettled,
                "keys": self.keys,
                "created": self.created,
                "requests": self.requests,
                "seconds": round(self.seconds, 3),
                "stopped_by": self.stopped_by,
            }
        )

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Load a report saved with `to_json`.

        Raises:
            ConfigError: the text is not a saved report.
        """
        try:
            saved = _object(json.loads(text, parse_constant=_no_number))
            version = saved["version"]
            if version != _VERSION or isinstance(version, bool | float):
                raise _Broken(f"it has version {str(version)[:20]}, but this SDK reads version {_VERSION}")
            report = cls(
                task=_str(saved["task"]),
                account=_optional_str(saved.get("account")),
                done=_ids(saved["done"]),
                failures={_key(company): _failure(why) for company, why in _object(saved["failures"]).items()},
                inactive=set(map(_int, _list(saved["inactive"]))),
                drifted=_ids(saved["drifted"]),
                unsettled=_bool(saved.get("unsettled", False)),
                keys=_count(saved["keys"]),
                created=_count(saved.get("created", 0)),
                requests=_count(saved["requests"]),
                seconds=_seconds(saved["seconds"]),
                stopped_by=_optional_str(saved["stopped_by"]),
            )
            if not report.inactive <= report.failures.keys() or report.done & report.failures.keys():
                raise _Broken("it contradicts itself")
        except _Broken as error:
            raise ConfigError(f"this is not a saved report: {error}") from None
        except KeyError as error:
            raise ConfigError(f"this is not a saved report: it has no {error}") from None
        except (ValueError, TypeError, RecursionError) as error:  # not JSON, not UTF-8, too many digits
            raise ConfigError(f"this is not a saved report ({type(error).__name__})") from None
        return report

    def merge(self, other: "Report") -> None:
        """Add the results of a report on other companies for the same task.

        If a company failed in one report and succeeded in the other, the success counts. `seconds` are added up, so
        they become the time spent working rather than the time elapsed.

        Raises:
            ConfigError: the other report belongs to another task or account, or a company is done in both, so that
                its keys would count twice.

        Example:
            ::

                report.merge(Report.from_json(saved_by_another_process))
        """
        if not isinstance(other, Report):
            raise ConfigError(f"a report can only be merged with a Report, not {type(other).__name__}")
        if other.task != self.task:
            raise ConfigError(f"the reports belong to different tasks: {self.task!r} and {other.task!r}")
        self.check_account(other.account)
        if both := self.done & other.done:
            raise ConfigError(f"company {min(both)} is done in both reports: its keys would count twice")
        self.account = self.account or other.account
        self.done |= other.done
        self.drifted |= other.drifted
        self.unsettled = self.unsettled or other.unsettled
        for company in self.failures.keys() & other.done:
            self._forget_failure(company)
        for company in other.failures.keys() - self.done:
            self._forget_failure(company)
            self.failures[company] = other.failures[company]
        self.inactive |= other.inactive & self.failures.keys()
        self.keys += other.keys
        self.created += other.created
        self.requests += other.requests
        self.seconds += other.seconds
        self.stopped_by = self.stopped_by or other.stopped_by

    def check_account(self, account: str | None) -> None:
        """Check that this report belongs to the given account.

        Raises:
            ConfigError: it belongs to another one.
        """
        if None not in (self.account, account) and self.account != account:
            raise ConfigError(
                f"the report belongs to another account: {self.account}, not {account} (base URL and key fingerprint); "
                "if it is the same account under a new key, set report.account = None first"
            )

    def add(self, outcome: Outcome) -> None:
        """Count an outcome, which replaces an earlier success or failure of the same company."""
        self.requests += outcome.attempts
        self.created += outcome.created is True
        company_id, error = outcome.company_id, outcome.error
        self._forget_failure(company_id)
        self.drifted.discard(company_id)
        if outcome.drifted:
            self.drifted.add(company_id)
        if error is None:
            self.done.add(company_id)
            self.keys += len(outcome.keys)
            return
        self.done.discard(company_id)
        self.failures[company_id] = Failure(type(error).__name__, text_of(error))
        if outcome.inactive:
            self.inactive.add(company_id)

    def _forget_failure(self, company_id: int) -> None:
        self.failures.pop(company_id, None)
        self.inactive.discard(company_id)


class _Broken(Exception):  # noqa: N818 - it never leaves this module
    """What is wrong with a saved report."""


def _wrong(expected: str) -> NoReturn:
    raise _Broken(f"expected {expected}, found something else")


def _no_number(name: str) -> NoReturn:
    _wrong(f"a number that is not {name}")


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else _wrong("an object")


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else _wrong("a list")


def _str(value: object) -> str:
    return value if isinstance(value, str) else _wrong("a string")


def _optional_str(value: object) -> str | None:
    return None if value is None else _str(value)


def _bool(value: object) -> bool:
    return value if isinstance(value, bool) else _wrong("true or false")


def _int(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else _wrong("an integer")


def _key(text: str) -> int:
    return number if str(number := int(text)) == text else _wrong("a company id")


def _count(value: object) -> int:
    return number if (number := _int(value)) >= 0 else _wrong("an integer >= 0")


def _ids(value: object) -> set[int]:
    # A company that is done has a valid id; one that failed may not.
    return {company if _int(company) >= 1 else _wrong("a company id") for company in _list(value)}


def _failure(value: object) -> Failure:
    pair = _list(value)
    return Failure(_str(pair[0]), _str(pair[1])) if len(pair) == 2 else _wrong("the type and text of an error")


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        _wrong("a number of seconds >= 0")
    try:
        return float(value)
    except OverflowError:
        _wrong("a number of seconds")
