"""What came of each company, and of all together."""

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
    """The outcome at one company.

    Attributes:
        company_id: the company's id.
        company: the company, where the run knows it (it listed them itself, or was given `Company` objects).
        index: its place in the input, from 0.
        keys: its API keys, or the one that was ensured; empty if it failed.
        created: whether that one is new; `None` where no key was to be made, or that is not known.
        error: why it failed; `None` if it did not.
        drifted: the list changed each time it was read, so a key may be missing; see `Pager.drifted`.
        attempts: how many requests it took, refused and failed ones included.
        seconds: how long it took, waiting for turns included.
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
    """What came of a company where all went well; see `Outcome`."""

    error: None = None
    ok: ClassVar[Literal[True]] = True
    inactive: ClassVar[Literal[False]] = False


@attrs.frozen(kw_only=True)
class Failed(_Finished):
    """What came of a company where something went wrong; see `Outcome`."""

    error: WoodpeckerError
    ok: ClassVar[Literal[False]] = False

    @property
    def inactive(self) -> bool:
        """Whether it failed because the company is inactive, as far as the server says."""
        if isinstance(self.error, CompanyInactiveError):
            return True
        known_inactive = self.company is not None and self.company.active is False
        return known_inactive and isinstance(self.error, CompanyNotFoundError)


Outcome: TypeAlias = Failed | Succeeded
"""What came of one company: `Succeeded` or `Failed`; `.ok` tells, and where it is false there is an `.error`.

Type checkers follow `isinstance(outcome, Failed)` and `outcome.error is not None`; mypy also follows `outcome.ok`.
"""


class Failure(NamedTuple):
    """Why a company failed, as a report keeps it.

    Attributes:
        kind: the name of the error's class.
        text: what it says.
    """

    kind: str
    text: str


@attrs.define(kw_only=True)
class Report:
    """The results of a run. Holds no keys; can be saved, loaded, and continued from with `resume=`.

    Attributes:
        task: what the run does; only a run that does the same can be resumed from it.
        account: base URL and key fingerprint of the account it is of; only a run at the same account can be
            resumed from it. `None` in a report that was saved before reports named their account: it is
            accepted anywhere, and named by the run that resumes from it.
        done: ids of the companies that succeeded.
        failures: by id, why the company failed.
        inactive: ids of those among the failed that failed for being inactive.
        keys: how many keys were seen.
        created: how many keys were made, those included that the sink did not take.
        drifted: ids of the companies whose list of keys never held still, so that a key may be missing.
        unsettled: the list of companies never held still, so that a company may be missing.
        requests: how many requests it took: every attempt of every call, listing the companies included.
        seconds: how long the run took so far.
        stopped_by: the type of the exception that ended the run early, if one did: an error, or what left the
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
        """How many companies failed, by the type of the error, most frequent first."""
        return dict(Counter(failure.kind for failure in self.failures.values()).most_common())

    def to_json(self) -> str:
        """The report as JSON, without any key."""
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
        """A report from what `to_json` returned.

        Raises:
            ConfigError: it is not one.
        """
        try:
            saved = _object(json.loads(text, parse_constant=_no_number))
            version = saved["version"]
            if version != _VERSION or isinstance(version, bool | float):
                raise _Broken(f"it is of version {str(version)[:20]}, and this SDK reads version {_VERSION}")
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
        except (ValueError, TypeError, RecursionError) as error:  # not JSON, not UTF-8, digits without end
            raise ConfigError(f"this is not a saved report ({type(error).__name__})") from None
        return report

    def merge(self, other: "Report") -> None:
        """Add the results of other companies, for the same task.

        Of a company that failed in one report and succeeded in the other, the success counts. `seconds` add
        up: they are then the time spent on the work, not the time that passed.

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
        """Make sure that what is to be counted here belongs to the same account.

        Raises:
            ConfigError: it is of another one.
        """
        if None not in (self.account, account) and self.account != account:
            raise ConfigError(
                f"the report belongs to another account: {self.account}, not {account} (base URL and key fingerprint); "
                "if it is the same account under a new key, set report.account = None first"
            )

    def add(self, outcome: Outcome) -> None:
        """Count an outcome. What the company's earlier one said of success or failure is forgotten."""
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
    raise _Broken(f"{expected} is expected where there is something else")


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
    # Only companies with a usable id can be done; of those that failed some may not have one.
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
