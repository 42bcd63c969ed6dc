"""The context of a request to an endpoint, and options for what the documentation leaves open."""

from collections.abc import Callable

from attrs import frozen

from woodpecker_async.sandbox.state import ApiKey, ChangedAccount, Company, K, State, User
from woodpecker_async.sandbox.wire import RequestInfo, whole_number


@frozen(kw_only=True)
class Rules:
    """Options for behaviour that nobody outside the vendor knows.

    Attributes:
        page_size: number of items on a page.
        empty_total_pages: ``total_pages`` of an empty list.
        inactive_lists: whether the keys of an inactive company can be listed.
        label_filter: maps the label in a request to the stored label, for example ``str.strip``; None keeps it.
        ready_after: how many times a report, or mailboxes that are being connected, are unfinished when polled.
    """

    page_size: int = 50
    empty_total_pages: int = 0
    inactive_lists: bool = True
    label_filter: Callable[[str], str | None] | None = None
    ready_after: int = 1

    def label(self, sent: str) -> str | None:
        """The label that is stored for the one in the request."""
        return sent if self.label_filter is None else self.label_filter(sent)


@frozen(kw_only=True)
class Call:
    """An authenticated request on its way to an endpoint.

    Attributes:
        state: the data.
        rules: the options.
        info: the request.
        account: the account the request acts on.
        key: the key it was sent with; None for Feldera.
        is_hq: whether that key is the agency's own.
        parts: the variable parts of the path, decoded.
    """

    state: State
    rules: Rules
    info: RequestInfo
    account: Company
    key: ApiKey | None
    is_hq: bool
    parts: tuple[str, ...]

    def kept(self, kind: type[K]) -> K:
        """The data of a family in the account that the request acts on. Call `changed` after changing it."""
        return self.account.of_family(kind, self.state.seed)

    def changed(self, account: Company | None = None) -> None:
        """Record that an account's data was changed, by default the account that the request acts on."""
        self.state.note(ChangedAccount((account or self.account).id))

    @property
    def user(self) -> User:
        """The user whose key this is."""
        return self.state.user if self.key is None else self.state.user_of(self.key)


def company_in_path(call: Call) -> Company | None:
    """The company named in the path."""
    company_id = whole_number(call.parts[0])
    return None if company_id is None else call.state.company(company_id)
