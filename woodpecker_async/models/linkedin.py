"""LinkedIn accounts."""

import attrs

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

    account_id: int | None = None
    connect_account_link: Secret | None = None
