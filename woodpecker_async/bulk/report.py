"""What came of each company, and of all together."""

import json
from collections import Counter
from typing import Final, Self

import attrs

from woodpecker_async.errors import CompanyInactiveError, CompanyNotFoundError, ConfigError, WoodpeckerError
from woodpecker_async.models import ApiKey, Company

_VERSION: Final = 1


@attrs.frozen(kw_only=True)
class Outcome:
    """What came of one company.

    Attributes:
        company_id: the company's id.
        company: the company, where the run knows it (it listed them itself, or was given `Company` objects).
        index: its place in the input, from 0.
        keys: its API keys, or the one that was ensured; empty if it failed.
        created: whether that one is new; `None` where no key was to be made, or that is not known.
        error: why it failed; `None` if it did not.
        drifted: the list changed each time it was read, so a key may be missing; see `Pager.drifted`.
        attempts: how many requests it took; where a key was ensured, at least so many.
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

    @property
    def ok(self) -> bool:
        """Whether it succeeded."""
        return self.error is None

    @property
    def inactive(self) -> bool:
        """Whether it failed because the company is inactive, as far as the server says."""
        if isinstance(self.error, CompanyInactiveError):
            return True
        known_inactive = self.company is not None and self.company.active is False
        return known_inactive and isinstance(self.error, CompanyNotFoundError)


@attrs.define(kw_only=True)
class Report:
    """What came of a run. Holds no keys; can be saved, loaded, and continued from with `resume=`.

    Attributes:
        task: what the run does; only a run that does the same can be resumed from it.
        done: ids of the companies that succeeded.
        failures: by id, the error's type and its text, of the companies that failed.
        inactive: ids of those among the failed that failed for being inactive.
        keys: how many keys were seen.
        created: how many keys were made, those included that the sink did not take.
        drifted: ids of the companies whose list of keys never held still, so that a key may be missing.
        requests: how many requests it took, listing the companies included.
        seconds: how long the run took so far.
        stopped_by: the type of the error that stopped the run, if one did.
    """

    task: str = ""
    done: set[int] = attrs.field(factory=set)
    failures: dict[int, tuple[str, str]] = attrs.field(factory=dict)
    inactive: set[int] = attrs.field(factory=set)
    drifted: set[int] = attrs.field(factory=set)
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
        return dict(Counter(kind for kind, _ in self.failures.values()).most_common())

    def to_json(self) -> str:
        """The report as JSON, without any key."""
        return json.dumps(
            {
                "version": _VERSION,
                "task": self.task,
                "done": sorted(self.done),
                "failures": {str(company): list(failure) for company, failure in sorted(self.failures.items())},
                "inactive": sorted(self.inactive),
                "drifted": sorted(self.drifted),
                "keys": self.keys,
                "created": self.created,
                "requests": self.requests,
                "seconds": round(self.seconds, 3),
                "stopped_by": self.stopped_by,
            }
        )

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """A report from what `to_json` gave.

        Raises:
            ConfigError: it is not one.
        """
        try:
            saved = json.loads(text)
            if saved["version"] != _VERSION:
                raise ConfigError(f"the report is of version {saved['version']!r}; this SDK reads version {_VERSION}")
            return cls(
                task=str(saved["task"]),
                done={int(company) for company in saved["done"]},
                failures={int(company): (str(kind), str(why)) for company, (kind, why) in saved["failures"].items()},
                inactive={int(company) for company in saved["inactive"]},
                drifted={int(company) for company in saved["drifted"]},
                keys=int(saved["keys"]),
                created=int(saved.get("created", 0)),
                requests=int(saved["requests"]),
                seconds=float(saved["seconds"]),
                stopped_by=saved["stopped_by"],
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            if isinstance(error, ConfigError):
                raise
            raise ConfigError(f"this is not a saved report ({type(error).__name__})") from None

    def merge(self, other: "Report") -> None:
        """Count what came of other companies, at the same task.

        Of a company that failed in one report and succeeded in the other, the success counts. `seconds` add
        up: they are then the time spent on the work, not the time that passed.

        Raises:
            ConfigError: the other report is of another task, or a company is done in both, so that its keys
                would count twice.

        Example:
            ::

                report.merge(Report.from_json(saved_by_another_process))
        """
        if not isinstance(other, Report):
            raise ConfigError(f"a report is merged with a Report, not {type(other).__name__}")
        if other.task != self.task:
            raise ConfigError(f"the reports are of different tasks: {self.task!r} and {other.task!r}")
        if both := self.done & other.done:
            raise ConfigError(f"company {min(both)} is done in both reports: its keys would count twice")
        self.done |= other.done
        self.drifted |= other.drifted
        self.failures = {
            company: failure
            for company, failure in {**self.failures, **other.failures}.items()
            if company not in self.done
        }
        self.inactive = (self.inactive | other.inactive) & self.failures.keys()
        self.keys += other.keys
        self.created += other.created
        self.requests += other.requests
        self.seconds += other.seconds
        self.stopped_by = self.stopped_by or other.stopped_by

    def add(self, outcome: Outcome) -> None:
        """Count an outcome; the company's earlier failure, if there was one, is forgotten."""
        self.requests += outcome.attempts
        self.created += outcome.created is True
        company_id, error = outcome.company_id, outcome.error
        self.failures.pop(company_id, None)
        self.inactive.discard(company_id)
        self.drifted.discard(company_id)
        if outcome.drifted:
            self.drifted.add(company_id)
        if error is None:
            self.done.add(company_id)
            self.keys += len(outcome.keys)
            return
        self.failures[company_id] = (type(error).__name__, str(error))
        if outcome.inactive:
            self.inactive.add(company_id)
