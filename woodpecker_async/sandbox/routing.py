"""From a request to its handler: who is calling, on which account, which endpoint."""

import re
from collections.abc import Callable
from operator import attrgetter
from typing import Final
from urllib.parse import unquote

from attrs import frozen

from woodpecker_async.sandbox import (
    account,
    agency,
    agency_v1,
    blacklist,
    campaigns,
    deliverability,
    domains,
    feldera,
    inbox,
    lead_finder,
    linkedin,
    mailboxes,
    manual_tasks,
    microsoft,
    people,
    prospects,
    reports,
    users,
    webhooks,
)
from woodpecker_async.sandbox.documented import NOT_SERVED, not_served
from woodpecker_async.sandbox.endpoint import Endpoint, pattern_of
from woodpecker_async.sandbox.openapi import description
from woodpecker_async.sandbox.service import Call, Rules
from woodpecker_async.sandbox.state import ApiKey, Company, State
from woodpecker_async.sandbox.wire import (
    Answer,
    RequestInfo,
    bad_request,
    bodyless,
    documented,
    error,
    feldera_error,
    not_found,
    v1_error,
    whole_number,
)

_FAMILIES: Final = (
    account,
    agency,
    agency_v1,
    blacklist,
    campaigns,
    deliverability,
    domains,
    feldera,
    inbox,
    lead_finder,
    linkedin,
    mailboxes,
    manual_tasks,
    microsoft,
    people,
    prospects,
    reports,
    users,
    webhooks,
)
ENDPOINTS: Final[tuple[Endpoint, ...]] = tuple(
    sorted((endpoint for family in _FAMILIES for endpoint in family.ENDPOINTS), key=attrgetter("placeholders"))
)
_ROUTES: Final[tuple[tuple[str, re.Pattern[str], Callable[[Call], Answer]], ...]] = (
    *((endpoint.method, endpoint.pattern, endpoint) for endpoint in ENDPOINTS),
    *((method, pattern_of(path), not_served) for methods, path in NOT_SERVED for method in methods),
)


@frozen
class Job:
    """The work to do, and the account whose limit it counts towards (None: no limit)."""

    limit: int | None
    work: Callable[[], Answer]


@frozen(kw_only=True)
class Router:
    """Admits requests.

    Attributes:
        state: the data.
        rules: the options of the endpoints.
        by_company: whether a request that names a company counts towards the limit of that company; if not, it
            counts towards that of the key's account. The documentation does not say which is right.
    """

    state: State
    rules: Rules
    by_company: bool

    def admit(self, info: RequestInfo) -> Job | Answer:
        """The work that a request asks for, or the response that rejects it.

        Only a request with a known key has an account, and so can enter a queue.
        """
        if info.path == "/openapi.json":
            return Answer.of(description(ENDPOINTS))
        if info.path.startswith("/v0/"):
            return feldera.refusal(self.state, info) or Job(None, lambda: self._feldera(info))
        if not info.path.startswith("/rest/"):
            return not_found()
        found = self.state.account_of(info.headers.get("x-api-key", ""))
        if found is None:
            return _unauthorized(info)
        account_of_key, key = found
        return Job(self._limit(info, account_of_key), lambda: self._run(info, account_of_key, key))

    def limit_of(self, info: RequestInfo) -> int | None:
        """The account whose limit the request counts towards, if any."""
        job = self.admit(info)
        return job.limit if isinstance(job, Job) else None

    def _limit(self, info: RequestInfo, account_of_key: Company) -> int:
        named = info.company_id
        if self.by_company and account_of_key is self.state.hq and named in self.state.companies:
            return int(named)
        return account_of_key.id

    def _feldera(self, info: RequestInfo) -> Answer:
        endpoint, parts, allowed = _find(info)
        if endpoint is not None:
            return endpoint(self._call(info, self.state.hq, None, parts))
        if allowed:
            return feldera_error(405, "MethodNotAllowed", "Method not allowed").with_headers(Allow=allowed)
        return feldera_error(404, "NotFound", "Not found")

    def _run(self, info: RequestInfo, account_of_key: Company, key: ApiKey) -> Answer:
        is_agency = "/agency/" in info.path + "/"
        if is_agency and account_of_key is not self.state.hq:
            # Not documented. The closest documented case is x-company-id with a key that is not the agency's:
            # 403 without a body.
            return bodyless(403)
        endpoint, parts, allowed = _find(info)
        if endpoint is None:
            if allowed:
                return error(405, "Method Not Allowed", "Method not allowed").with_headers(Allow=allowed)
            return v1_error("E_URL_NOT_FOUND", "Url not found", 404) if _is_v1(info) else not_found()
        acts_in: Company | Answer = account_of_key
        if not is_agency and info.company_header is not None:
            # An /agency path names its company itself. What the header does there is not documented, so it is
            # ignored (the journal still shows it).
            acts_in = self._named_company(info.company_header, account_of_key)
        if isinstance(acts_in, Answer):
            return acts_in
        return endpoint(self._call(info, acts_in, key, parts))

    def _named_company(self, header: str, account_of_key: Company) -> Company | Answer:
        company_id = whole_number(header)
        if company_id is None:
            return bad_request("X-Company-Id header value must be a number but is not")
        if account_of_key is not self.state.hq:
            return bodyless(403)
        company = self.state.company(company_id)
        if company is None:
            return not_found("Company not found")
        return company if company.active else error(409, "Conflict", "Company is inactive")

    def _call(self, info: RequestInfo, acts_in: Company, key: ApiKey | None, parts: tuple[str, ...]) -> Call:
        is_hq = key is not None and key in self.state.hq.keys
        return Call(state=self.state, rules=self.rules, info=info, account=acts_in, key=key, is_hq=is_hq, parts=parts)


def _find(info: RequestInfo) -> tuple[Callable[[Call], Answer] | None, tuple[str, ...], str]:
    """The endpoint and the variable parts of its path; or the methods that the path allows.

    A literal path takes precedence over one with placeholders, whatever its methods: `/domains/order` is not the
    domain "order".
    """
    found = [
        (method, endpoint, match)
        for method, pattern, endpoint in _ROUTES
        if (match := pattern.fullmatch(info.resource)) is not None
    ]
    fewest = min((match.re.groups for _, _, match in found), default=0)
    allowed = {method: (endpoint, match) for method, endpoint, match in found if match.re.groups == fewest}
    if info.method in allowed:
        endpoint, match = allowed[info.method]
        return endpoint, tuple(unquote(part) for part in match.groups()), info.method
    return None, (), ", ".join(sorted(allowed))


def _is_v1(info: RequestInfo) -> bool:
    # /v1/me is the test call on the documentation's authentication page; its errors are v2 objects.
    return info.path.startswith("/rest/v1/") and info.path != "/rest/v1/me"


def _unauthorized(info: RequestInfo) -> Answer:
    return v1_error("E_SESSION", "Invalid api key", 401) if _is_v1(info) else documented(401, info.path)
