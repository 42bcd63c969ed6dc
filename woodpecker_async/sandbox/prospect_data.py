"""The prospect data of an account."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self

from msgspec import Meta, Struct, field

from woodpecker_async.sandbox import draw
from woodpecker_async.sandbox.state import Company

_BEGIN_WITH: Final = 12
TEXTS: Final = (
    *("first_name", "last_name", "company", "industry", "website", "linkedin_url", "tags", "title", "phone"),
    *("address", "city", "state", "country", *(f"snippet{n}" for n in range(1, 16))),
)
Status = Literal[
    "ACTIVE", "BOUNCED", "REPLIED", "BLACKLIST", "INVALID", "TO-CHECK", "TO-REVIEW", "AUTOREPLIED", "PAUSED"
]
Interest = Literal["INTERESTED", "MAYBE-LATER", "NOT-INTERESTED", "NOT-MARKED"]
Ids = Annotated[str, Meta(pattern=r"^[0-9]{1,18}(,[0-9]{1,18})*$")]
Moment = Annotated[datetime, Meta(tz=True)]


class Membership(Struct, kw_only=True):
    """A prospect's membership of a campaign."""

    campaign_id: int
    status: str = "ACTIVE"
    send_after: str | None = None


class Prospect(Struct, kw_only=True):
    """A prospect as stored."""

    id: int
    email: str
    status: str = "ACTIVE"
    organization_id: int | None = None
    texts: dict[str, str] = field(default_factory=dict)
    interested: str = "NOT-MARKED"
    updated: str
    last_contacted: str | None = None
    last_replied: str | None = None
    last_opened: str | None = None
    last_clicked: str | None = None
    emails_sent: int = 0
    imported: str | None = None
    campaigns: list[Membership] = field(default_factory=list)


class Prospects(Struct, kw_only=True):
    """The prospects of an account, by ascending id."""

    all: list[Prospect]
    next_id: int

    @classmethod
    def begin(cls, seed: int, account: Company) -> Self:
        """A dozen prospects, generated from the seed."""
        first = account.id * 10_000 + 1
        return cls(
            all=[_drawn(seed, account, first + count, count) for count in range(_BEGIN_WITH)],
            next_id=first + _BEGIN_WITH,
        )

    def by_email(self) -> dict[str, Prospect]:
        """All of them by address, in lower case."""
        return {prospect.email.lower(): prospect for prospect in self.all}


_FIRST = ("Monica", "Jared", "Erlich", "Dinesh", "Bertram", "Laurie", "Gavin", "Richard", "Nelson", "Jian", "Zoë", "Ed")
_LAST = (
    "Hall",
    "Dunn",
    "Bachman",
    "Chugtai",
    "Gilfoyle",
    "Bream",
    "Belson",
    "Hendricks",
    "Bighetti",
    "Yang",
    "Ødegård",
)
_FIRMS = ("Aviato", "Hooli", "Pied Piper", "Raviga", "Bachmanity", "Endframe")
_STATUSES = ("ACTIVE", "ACTIVE", "REPLIED", "ACTIVE", "BOUNCED", "REPLIED", "ACTIVE", "BLACKLIST", "INVALID")


def _drawn(seed: int, account: Company, prospect_id: int, count: int) -> Prospect:
    topic = (seed, "prospect", prospect_id)
    first, last = _FIRST[count % len(_FIRST)], _LAST[(count + draw.number(seed, account.id)) % len(_LAST)]
    firm = draw.pick(_FIRMS, *topic, "firm")
    domain = f"{firm.lower().replace(' ', '')}.example"
    status = _STATUSES[count % len(_STATUSES)]
    contacted = count % 4 != 3
    return Prospect(
        id=prospect_id,
        email=f"{first}.{last}.{count}@{domain}".lower().encode("ascii", "ignore").decode(),
        status=status,
        organization_id=70_000 + draw.number(*topic, "organization") % 9_000 if count % 3 else None,
        texts={
            "first_name": first,
            "last_name": last,
            "company": firm,
            "industry": "Software as a Service",
            "website": f"https://{domain}",
            "tags": draw.pick(("#VISIONARY", "#PR #Q3", ""), *topic, "tags"),
            "title": draw.pick(("Head of Sales", "CTO", "VC"), *topic, "title"),
            "city": "Palo Alto",
            "state": "CA",
            "country": "USA",
            "snippet1": f"how {firm} began",
        },
        interested=draw.pick(("INTERESTED", "MAYBE-LATER", "NOT-INTERESTED"), *topic)
        if status == "REPLIED"
        else "NOT-MARKED",
        updated=f"2026-10-{1 + count:02}T08:{count:02}:00+0200",
        last_contacted=f"2026-09-{1 + count:02}T09:{count:02}:00+0200" if contacted else None,
        last_replied=f"2026-09-{2 + count:02}T10:{count:02}:00+0200" if status == "REPLIED" else None,
        last_opened=f"2026-09-{1 + count:02}T12:00:00+0200" if contacted and count % 2 else None,
        last_clicked=f"2026-09-{1 + count:02}T12:01:00+0200" if contacted and count % 4 == 1 else None,
        emails_sent=1 + count % 3 if contacted else 0,
        imported="mydatabase.csv",
        campaigns=[Membership(campaign_id=account.id * 100 + count % 3, status=status)] if contacted else [],
    )


def profile(prospect: Prospect) -> dict[str, Any]:
    """A prospect's profile, as responses have it."""
    texts = prospect.texts
    return {"id": prospect.id, "email": prospect.email, **{name: texts.get(name, "") for name in TEXTS}}


def value_of(prospect: Prospect, name: str) -> Any:
    """The value of a field."""
    return prospect.texts.get(name, "") if name in TEXTS else getattr(prospect, name)


def ids_in(text: str) -> set[int]:
    """The ids in a comma-separated list."""
    return set(map(int, text.split(",")))


def written(moment: datetime) -> str:
    """A date and time as the v1 endpoints write it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S%z")


def epoch_milliseconds(moment: str | None) -> int | None:
    """The same, as some v2 endpoints write it."""
    return None if moment is None else int(datetime.fromisoformat(moment).timestamp() * 1000)
