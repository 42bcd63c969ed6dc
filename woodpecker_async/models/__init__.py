"""Frozen attrs classes: what is sent, and what comes back.

Each is loaded when it is first used: making such a class takes half a millisecond, and few programs need all of them.
"""

from typing import TYPE_CHECKING

from woodpecker_async._lazy import on_demand

if TYPE_CHECKING:
    from woodpecker_async.models.account import Me
    from woodpecker_async.models.agency import (
        ApiKey,
        Company,
        CreateApiKey,
        CreateCompanies,
        CreatedApiKey,
        CreatedCompanies,
        IssuedKey,
        NewCompany,
    )
    from woodpecker_async.models.agency_v1 import (
        V1ApiKey,
        V1Company,
        V1CreateApiKey,
        V1CreateCompany,
        V1CreatedApiKey,
    )
    from woodpecker_async.models.feldera import (
        CreatedFelderaKey,
        CreateFelderaKey,
        CreateFelderaKeyWithRole,
        FelderaKey,
    )
    from woodpecker_async.models.mailboxes import (
        EmailAccount,
        EmailAccountDetails,
        Mailbox,
        MailboxDetails,
        MailboxType,
    )
    from woodpecker_async.models.paging import Listing, PaginationData

__all__ = [
    "ApiKey",
    "Company",
    "CreateApiKey",
    "CreateCompanies",
    "CreateFelderaKey",
    "CreateFelderaKeyWithRole",
    "CreatedApiKey",
    "CreatedCompanies",
    "CreatedFelderaKey",
    "EmailAccount",
    "EmailAccountDetails",
    "FelderaKey",
    "IssuedKey",
    "Listing",
    "Mailbox",
    "MailboxDetails",
    "MailboxType",
    "Me",
    "NewCompany",
    "PaginationData",
    "V1ApiKey",
    "V1Company",
    "V1CreateApiKey",
    "V1CreateCompany",
    "V1CreatedApiKey",
]

__getattr__, __dir__ = on_demand(
    __name__,
    account=("Me",),
    agency=(
        "ApiKey",
        "Company",
        "CreateApiKey",
        "CreateCompanies",
        "CreatedApiKey",
        "CreatedCompanies",
        "IssuedKey",
        "NewCompany",
    ),
    agency_v1=(
        "V1ApiKey",
        "V1Company",
        "V1CreateApiKey",
        "V1CreateCompany",
        "V1CreatedApiKey",
    ),
    feldera=(
        "CreateFelderaKey",
        "CreateFelderaKeyWithRole",
        "CreatedFelderaKey",
        "FelderaKey",
    ),
    mailboxes=(
        "EmailAccount",
        "EmailAccountDetails",
        "Mailbox",
        "MailboxDetails",
        "MailboxType",
    ),
    paging=(
        "Listing",
        "PaginationData",
    ),
)
