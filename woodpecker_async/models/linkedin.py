"""LinkedIn accounts."""

import attrs

from woodpecker_async.models._loose import Number, Text
from woodpecker_async.models.enums import OpenEnum
from woodpecker_async.secret import Secret


@attrs.frozen(kw_only=True)
class LinkedInConnection:
    """A LinkedIn account that waits for its owner to authorize it.

    The fields are those of the document "New link". The answer to the connection of a new account is not
    documented; where it lacks one of them, it is `None`.

    Attributes:
        account_id: the account's id, for a new link.
        connect_account_link: where its owner authorizes it, valid for 48 hours. Whoever has it can connect an account,
            so it is a secret.
    """

    account_id: Number = None
    connect_account_link: Secret | None = None


class LinkedInStatus(OpenEnum):
    """How a LinkedIn account is connected. `REQUIRES_CHECKPOINT` is in an earlier copy of the document only."""

    CONNECTED = "CONNECTED"
    DISCONNECTED = "DISCONNECTED"
    WAITING_FOR_CONNECTION = "WAITING_FOR_CONNECTION"
    REQUIRES_CHECKPOINT = "REQUIRES_CHECKPOINT"


class LinkedInLevel(OpenEnum):
    """What a LinkedIn account is subscribed to."""

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
        session_status: how it is connected; a value that this version does not know is kept, see `OpenEnum`.
        full_name: whose it is.
        linkedin_url: the profile.
        level: what it is subscribed to; `None` once it is disconnected.
        username: deprecated by the API, and `None` for new accounts.
    """

    id: int
    session_status: LinkedInStatus | None = None
    full_name: Text = None
    linkedin_url: Text = None
    level: LinkedInLevel | None = None
    username: Text = None
