"""Leads, and their enrichment."""

from collections.abc import Sequence
from typing import Any, overload

import attrs

from woodpecker_async.models.account import Fields
from woodpecker_async.models.enums import OpenEnum


class SearchOperator(OpenEnum):
    """Whether leads that meet a criterion are searched for or left out."""

    INCLUDE = "INCLUDE"
    EXCLUDE = "EXCLUDE"


@attrs.frozen(kw_only=True)
class SearchCriterion:
    """One criterion of a search for leads.

    Attributes:
        name: one of those that `lead_finder.criteria` lists.
        value: one of those that `lead_finder.criterion_values` lists, or what else the criterion takes.
        operator: whether leads that meet it are searched for or left out.
    """

    name: str
    value: Any
    operator: SearchOperator = SearchOperator.INCLUDE


class Lead(Fields):
    """Somebody who was found. The fields are not documented, so they are given as they came."""


@attrs.frozen
class Leads(Sequence[Lead]):
    """The leads that were bought: a sequence of them.

    Attributes:
        leads: the leads.
        total_found: how many leads match in all, as far as the server says.
        next_page: what to go on with: `next_page=` of the next search; `None` if there are no more.
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
    """An enrichment that was started. What else the server says of it is to be had with `get`.

    Attributes:
        uuid: its id.
        status: how far it is.
    """

    uuid: str | None = None
    status: str | None = None


class EnrichmentDetails(Fields):
    """How far an enrichment is, and what it found. The fields are not documented, so they are given as they came."""


@attrs.frozen(kw_only=True)
class ProspectToEnrich:
    """A prospect to enrich: one that is there already, known by its e-mail address.

    Attributes:
        email: the address.
        first_name: the first name.
        last_name: the last name.
        linkedin_url: the address of the profile on LinkedIn.
        company_name: where the prospect works.
        company_website: the address of that company's website.
    """

    email: str
    first_name: str | None = None
    last_name: str | None = None
    linkedin_url: str | None = None
    company_name: str | None = None
    company_website: str | None = None
