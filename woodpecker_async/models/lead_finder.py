"""Leads and enrichments."""

from collections.abc import Sequence
from typing import Any, overload

import attrs

from woodpecker_async.models.account import Fields
from woodpecker_async.models.enums import OpenEnum


class SearchOperator(OpenEnum):
    """Whether leads that meet a criterion are included or excluded."""

    INCLUDE = "INCLUDE"
    EXCLUDE = "EXCLUDE"


@attrs.frozen(kw_only=True)
class SearchCriterion:
    """One criterion of a search for leads.

    Attributes:
        name: a criterion from `lead_finder.criteria`.
        value: a value from `lead_finder.criterion_values`, or another one that the criterion accepts.
        operator: whether leads that meet it are included or excluded.
    """

    name: str
    value: Any
    operator: SearchOperator = SearchOperator.INCLUDE


class Lead(Fields):
    """A person who was found. The fields are not documented, so they are returned as received."""


@attrs.frozen
class Leads(Sequence[Lead]):
    """The leads that were bought, as a sequence.

    Attributes:
        leads: the leads.
        total_found: how many leads match in total, if the server says.
        next_page: where to continue: pass it as `next_page=` to the next search; `None` if there are no more.
    """

    leads: tuple[Lead, ...]
    total_found: int | None = None
    next_page: str | None = None

    @overload
    def __getitem__(self, index: int) -> Lead: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Lead]: ...
    def __getitem__(self, index: int | slice) -> Lead | Sequence[Lead]:
        return self.leads[index]

    def __len__(self) -> int:
        return len(self.leads)


@attrs.frozen(kw_only=True)
class Enrichment:
    """An enrichment that was started. `get` returns its progress.

    Attributes:
        uuid: its id.
        status: its status.
    """

    uuid: str | None = None
    status: str | None = None


class EnrichmentDetails(Fields):
    """The progress and results of an enrichment. The fields are not documented, so they are returned as received."""


@attrs.frozen(kw_only=True)
class ProspectToEnrich:
    """An existing prospect to enrich, identified by its e-mail address.

    Attributes:
        email: the e-mail address.
        first_name: the first name.
        last_name: the last name.
        linkedin_url: the URL of the LinkedIn profile.
        company_name: the prospect's employer.
        company_website: the URL of the employer's website.
    """

    email: str
    first_name: str | None = None
    last_name: str | None = None
    linkedin_url: str | None = None
    company_name: str | None = None
    company_website: str | None = None
