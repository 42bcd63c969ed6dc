from typing import Any

from tests.calls import Row
from woodpecker_async.sandbox.domains import NewBox, Owned

_OWNER = {
    "email": "sam@aviato.example",
    "first_name": "Sam",
    "last_name": "Reed",
    "address": "1 Main Street",
    "city": "Palo Alto",
    "state": "CA",
    "country": "US",
    "zip_code": "94301",
    "phone": "+1 555 0100",
    "configuration": {"default_domain_redirect_url": "https://aviato.example"},
}
_BOX = {"first_name": "Sam", "last_name": "Reed", "email": "sam@aviato.example"}


def _domain(account: Any, seed: int) -> None:
    owned = account.of_family(Owned, seed)
    owned.add("aviato.example", "GOOGLE", [NewBox(**_BOX)])
    owned.domains["aviato.example"].is_ready = True


ROWS: dict[str, Row] = {
    "account.domains.list": Row("GET", "/v2/domains", {"domains": []}),
    "account.domains.get": Row("GET", "/v2/domains/aviato.example", {}, ("aviato.example",), prepare=_domain),
    "account.domains.mailboxes": Row(
        "GET", "/v2/domains/aviato.example/mailboxes", {"mailboxes": []}, ("aviato.example",), prepare=_domain
    ),
    "account.domains.owner": Row("GET", "/v2/domains/owner", {}),
    "account.domains.set_owner": Row("POST", "/v2/domains/owner", None, (_OWNER,), body=_OWNER),
    "account.domains.check": Row(
        "POST",
        "/v2/domains/availability?provider=GOOGLE",
        {"provider": "GOOGLE", "domains": []},
        (["aviato.com"],),
        {"provider": "GOOGLE"},
        body={"domains": ["aviato.com"]},
    ),
    "account.domains.suggest": Row(
        "GET",
        "/v2/domains/availability?query=aviato&provider=MAILFORGE",
        {"provider": "MAILFORGE", "domains": []},
        ("aviato",),
        {"provider": "MAILFORGE"},
    ),
    "account.domains.order": Row(
        "POST",
        "/v2/domains/order",
        None,
        (["aviato.com"],),
        {"provider": "MICROSOFT", "mailboxes": [_BOX]},
        body={"provider": "MICROSOFT", "domains": ["aviato.com"], "mailboxes": [_BOX]},
    ),
    "account.domains.set_redirect_url": Row(
        "PATCH",
        "/v2/domains/aviato.example/set_redirect_url",
        None,
        ("aviato.example", "https://aviato.com"),
        body={"domain_redirect_url": "https://aviato.com"},
        prepare=_domain,
    ),
    "account.domains.set_email_forwarding": Row(
        "PATCH",
        "/v2/domains/aviato.example/set_email_forwarding",
        None,
        ("aviato.example", "sam@aviato.com"),
        body={"email_forward_address": "sam@aviato.com"},
        prepare=_domain,
    ),
}
