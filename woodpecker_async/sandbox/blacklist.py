"""The blacklisted domains of the agency."""

from fnmatch import fnmatchcase
from typing import Final

from woodpecker_async.sandbox.endpoint import Endpoint
from woodpecker_async.sandbox.service import Call, field
from woodpecker_async.sandbox.wire import Answer, bad_request, bodyless, malformed, whole_number

_MOST_AT_ONCE = 500
_PER_PAGE = 100
_MOST_PER_PAGE = 1000


def list_domains(call: Call) -> Answer:
    """``GET /v2/agency/blacklist/domains``: pages are counted from 0."""
    page = whole_number(call.info.query.get("page", "0"))
    size = whole_number(call.info.query.get("per_page", str(_PER_PAGE)))
    if page is None or not size:
        return bad_request("Value of page or per_page is incorrect.")
    size = min(size, _MOST_PER_PAGE)
    wanted = [part for part in call.info.query.get("domain_filter", "").split(",") if part]
    rows = sorted(
        domain
        for domain in call.state.blacklisted_domains
        if not wanted or any(fnmatchcase(domain, part) for part in wanted)
    )
    return Answer.of({"domains": rows[page * size : (page + 1) * size], "total": len(rows)})


def add_domains(call: Call) -> Answer:
    """``POST /v2/agency/blacklist/domains``: 201 without a body, also for what is there already."""
    domains = _domains(call)
    if isinstance(domains, Answer):
        return domains
    call.state.blacklist(add=domains)
    return bodyless(201)


def remove_domains(call: Call) -> Answer:
    """``DELETE /v2/agency/blacklist/domains``: 200 without a body, also for what was not there."""
    domains = _domains(call)
    if isinstance(domains, Answer):
        return domains
    call.state.blacklist(remove=domains)
    return bodyless(200)


def _domains(call: Call) -> list[str] | Answer:
    if not call.info.body:
        return bodyless(400)
    domains = field(call, "domains")
    if not isinstance(domains, list) or not 1 <= len(domains) <= _MOST_AT_ONCE:
        return malformed()
    return domains if all(isinstance(domain, str) and domain for domain in domains) else malformed()


ENDPOINTS: Final = (
    Endpoint(method="GET", path="/v2/agency/blacklist/domains", run=list_domains),
    Endpoint(method="POST", path="/v2/agency/blacklist/domains", run=add_domains),
    Endpoint(method="DELETE", path="/v2/agency/blacklist/domains", run=remove_domains),
)
