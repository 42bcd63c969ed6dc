"""Blacklists."""

import attrs


@attrs.frozen(kw_only=True)
class RemovedDomains:
    """Answer to the removal of domains from an account's blacklist.

    Attributes:
        domains: those that were on it.
    """

    domains: tuple[str, ...]


@attrs.frozen(kw_only=True)
class RemovedEmails:
    """Answer to the removal of addresses from an account's blacklist.

    Attributes:
        emails: those that were on it.
    """

    emails: tuple[str, ...]
