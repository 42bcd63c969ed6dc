"""LinkedIn accounts."""

import attrs

from woodpecker_async.models._loose import Number, Text
from woodpecker_async.models.enums import OpenEnum
from woodpecker_async.secret import Secret


@attrs.frozen(kw_only=True)
class LinkedInConnection:
    """A LinkedIn account that its owner has yet to authorize.

    The fields are those of the document "New link". The response to connecting a new account is not documented; fields
    that it lacks are `None`.

    Attributes:
        account_id: the account's id, to create a new link.
        connect_account_link: the link for its owner to authorize it, valid for 48 hours. Anyone who has it can connect
            an account, so it is a secret.
    """

    account_id: Number = None
    connect_account_link: Secret | None = None


class LinkedInStatus(OpenEnum):
    """The connection status of a LinkedIn account. `REQUIRES_CHECKPOINT` appears only in older documents."""

    CONNECTED = "CONNECTED"
    DISCONNECTED = "DISCONNECTED"
    WAITING_FOR_CONNECTION = "WAITING_FOR_CONNECTION"
    REQUIRES_CHECKPOINT = "REQUIRES_CHECKPOINT"


class LinkedInLevel(OpenEnum):
    """The LinkedIn subscription of an account."""

    CLASSIC = "CLASSIC"
    PREMIUM = "PREMIUM"
    RECRUITER_LITE = "RECRUITER_LITE"
    SALES_NAVIGATOR = "SALES_NAVIGATOR"
    UNKNOWN = "UNKNOWN"


@attrs.frozen(kw_only=True)
class LinkedInAccount:
    """A LinkedIn account (document "Get a list of LinkedIn accounts").

    Attributes:
        id: its id.
        session_status: its connection status; a value that this version does not know is kept, see `OpenEnum`.
        full_name: its owner's name.
        linkedin_url: the URL of its profile.
        level: its subscription; `None` once it is disconnected.
        username: deprecated by the API, and `None` for new accounts.
    """

    id: int
    session_status: LinkedInStatus | None = None
    full_name: Text = None
    linkedin_url: Text = None
    level: LinkedInLevel | None = None
    username: Text = None
