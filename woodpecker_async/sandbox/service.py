"""What an endpoint gets to work with, and the rules which the documentation leaves open."""

from collections.abc import Callable, Sequence
from typing import Any

from attrs import frozen

from woodpecker_async.sandbox.state import ApiKey, Company, K, State, User
from woodpecker_async.sandbox.wire import Answer, RequestInfo, bad_request, whole_number


@frozen(kw_only=True)
class Rules:
    """Switches for what nobody outside the vendor knows.

    Attributes:
        page_size: items on a page.
        empty_total_pages: ``total_pages`` of an empty list.
        inactive_lists: whether the keys of an inactive company can be listed.
        label_filter: what becomes of a label that is sent, e.g. ``str.strip``; None keeps it.
        ready_after: how many looks at a report, or at mailboxes that are being connected, find them unfinished.
    """

    page_size: int = 50
    empty_total_pages: int = 0
    inactive_lists: bool = True
    label_filter: Callable[[str], str | None] | None = None
    ready_after: int = 1

    def label(self, sent: str) -> str | None:
        """The label which is stored for the one sent."""
        return sent if self.label_filter is None else self.label_filter(sent)


@frozen(kw_only=True)
class Call:
    """An authenticated request on its way to an endpoint.

    Attributes:
        state: the data.
        rules: the switches.
        info: the request.
        account: the account the request acts in.
        key: the key it came with; None for Feldera.
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
        """The data of a family in the account that the request acts in. Say `changed` after a change."""
        return self.account.of_family(kind, self.state.seed)

    def changed(self) -> None:
        """Say that the data was changed."""
        self.state.version += 1

    @property
    def user(self) -> User:
        """The one whose key this is."""
        return self.state.user if self.key is None else self.state.user_of(self.key)


def company_in_path(call: Call) -> Company | None:
    """The company that the path names."""
    company_id = whole_number(call.parts[0])
    return None if company_id is None else call.state.company(company_id)


def field(call: Call, name: str) -> Any:
    """A field of the body; None if the body is no JSON object."""
    try:
        data = call.info.json()
    except ValueError:
        return None
    return data.get(name) if isinstance(data, dict) else None


def paged(call: Call, rows: Sequence[Any], shape: Callable[[Any], Any]) -> Answer:
    """The page of ``rows`` which the request asks for."""
    page = whole_number(call.info.query.get("page", "1"))
    if not page:
        return bad_request("Value of page is incorrect.")
    size = call.rules.page_size
    total = -(-len(rows) // size) if rows else call.rules.empty_total_pages
    # Documented nowhere: a page beyond the end is a page without content, not an error.
    content = [shape(row) for row in rows[(page - 1) * size : page * size]]
    return Answer.of(
        {
            "content": content,
            "pagination_data": {
                "total_elements": len(rows),
                "total_pages": total,
                "current_page_number": page,
                "page_size": size,
            },
        }
    )
