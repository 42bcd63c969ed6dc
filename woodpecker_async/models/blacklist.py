"""Blacklists."""

import attrs


@attrs.frozen(kw_only=True)
class RemovedDomains:
    """Response to removing domains from an account's blacklist.

    Attributes:
        domains: the domains that were on it.
    """

    domains: tuple[str, ...]


@attrs.frozen(kw_only=True)
class RemovedEmails:
    """Response to removing addresses from an account's blacklist.

    Attributes:
        emails: the addresses that were on it.
    """

    emails: tuple[str, ...]
