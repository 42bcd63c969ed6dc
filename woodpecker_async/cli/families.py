"""The families of endpoints that have commands: what each command calls, and what it prints.

`Listing` and `Change` build the commands from this table. For all other endpoints there is `api`.
"""

from collections.abc import Mapping
from typing import Any, Final

import click

from woodpecker_async.cli import blacklisting, enrolling, inviting, subscribing
from woodpecker_async.cli.changing import Change
from woodpecker_async.cli.fields import Field
from woodpecker_async.cli.groups import Group
from woodpecker_async.cli.ids import ID
from woodpecker_async.cli.listing import At, Listing

_PERSON: Final = (
    Field("id", "ID", whole=True),
    Field("name", "Name"),
    Field("email", "E-mail", whole=True),
    Field("roles", "Roles", spare=1, of=lambda user: user.roles if hasattr(user, "roles") else [user.role]),
    Field("guest_permissions", "Permissions", spare=2, of=lambda user: getattr(user, "guest_permissions", None)),
)
_CAMPAIGN_STATES: Final = ("DRAFT", "RUNNING", "PAUSED", "STOPPED", "EDITED", "COMPLETED")
_PROSPECT_STATES: Final = (
    *("ACTIVE", "BOUNCED", "REPLIED", "BLACKLIST", "INVALID"),
    *("TO-CHECK", "TO-REVIEW", "AUTOREPLIED", "PAUSED"),
)
_INTEREST: Final = ("INTERESTED", "MAYBE-LATER", "NOT-INTERESTED", "NOT-MARKED")


def _search(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> dict[str, list[str]] | None:
    wanted: dict[str, list[str]] = {}
    for criterion in given:
        name, equals, text = criterion.partition("=")
        if not (name and equals and text):
            raise click.UsageError(f"--search must be FIELD=TEXT, not {criterion!r}")
        wanted.setdefault(name, []).append(text)
    return wanted or None


def _users(at: At, **given: Any) -> Any:
    if at.company is None:
        return at.account.users.list(**given)
    return at.woodpecker.agency.users.list(at.company, **given)


def _figures(name: str, title: str, spare: int = 0) -> tuple[Field, Field]:
    return (
        Field(name, title, whole=True, spare=spare, of=f"{name}.current_period"),
        Field(f"{name}_before", of=f"{name}.previous_period"),
    )


def _states(name: str, states: tuple[str, ...], help_: str, *, multiple: bool = False) -> Any:
    return click.option(
        f"--{name}", type=click.Choice(states, case_sensitive=False), metavar="WORD", multiple=multiple, help=help_
    )


# The summary and the commands of each family, by name.
_FAMILIES: Final[Mapping[str, tuple[str, Mapping[str, Listing | Change]]]] = {
    "users": (
        "Users of an account, and guests of a company.",
        {
            "list": Listing(
                help="List the users of your own account, or the users and guests of companies.",
                noun="user",
                call=_users,
                fields=_PERSON,
            ),
        },
    ),
    "guests": (
        "Guests: people outside the agency who can view a company.",
        {
            "list": Listing(
                help="List the guests of companies.",
                noun="guest",
                call=lambda at, **given: at.woodpecker.agency.users.list(at.company, role="guest", **given),
                fields=tuple(field for field in _PERSON if field.name != "roles"),
                whose="companies",
            ),
            "invite": inviting.INVITE,
            "set-permissions": inviting.SET_PERMISSIONS,
        },
    ),
    "email-accounts": (
        "E-mail accounts that companies send from, as the agency sees them.",
        {
            "list": Listing(
                help=(
                    "List the e-mail accounts of companies.\n\n"
                    "Each has two rows, one for sending (SMTP) and one for receiving (IMAP). For daily sending "
                    "limits, see `mailboxes list`."
                ),
                noun="e-mail account",
                call=lambda at, **given: at.woodpecker.agency.email_accounts.list(at.company, **given),
                fields=(
                    Field("id", "ID", whole=True),
                    Field("type", "Type", whole=True),
                    Field("email", "E-mail", whole=True, of="details.email"),
                    Field("provider", "Provider", spare=2, of="details.provider"),
                    Field("from_name", "Sender", spare=3, of="details.from_name"),
                    Field("running_campaigns", "Campaigns", whole=True, spare=1, of="details.running_campaigns"),
                    Field("error", "Error", of="details.error"),
                    Field("imap_id", of="details.imap_id"),
                ),
                whose="companies",
            ),
        },
    ),
    "mailboxes": (
        "Mailboxes of an account, with their sending limits.",
        {
            "list": Listing(
                help=(
                    "List the mailboxes of your own account, or of companies.\n\n"
                    "Each has two rows, one for sending (SMTP) and one for receiving (IMAP)."
                ),
                noun="mailbox",
                call=lambda at, **given: at.account.mailboxes.list(**given),
                fields=(
                    Field("id", "ID", whole=True),
                    Field("type", "Type", whole=True),
                    Field("email", "E-mail", whole=True, of="details.email"),
                    Field("provider", "Provider", spare=3, of="details.provider"),
                    Field("from_name", "Sender", spare=4, of="details.from_name"),
                    Field("sent_today", "Sent today", whole=True, spare=1, of="details.sent_today"),
                    Field("daily_limit", "Daily limit", whole=True, spare=2, of="details.daily_limit"),
                    Field("error", "Error", of="details.error"),
                    Field("login", of="details.login"),
                    Field("server", of="details.server"),
                    Field("port", of="details.port"),
                    Field("imap_id", of="details.imap_id"),
                ),
            ),
        },
    ),
    "campaigns": (
        "Campaigns of an account.",
        {
            "list": Listing(
                help="List the campaigns of your own account, or of companies.",
                noun="campaign",
                call=lambda at, **given: at.account.campaigns.list(**given),
                fields=(
                    Field("id", "ID", whole=True),
                    Field("name", "Campaign"),
                    Field("status", "Status", whole=True),
                    Field("created", "Created", spare=3),
                    Field("from_email", "From", spare=2),
                    Field("from_name"),
                    Field("folder_name", "Folder", spare=4),
                    Field("per_day", "Per day", whole=True, spare=1),
                    Field("error", "Error"),
                ),
                options=(
                    _states(
                        "status",
                        _CAMPAIGN_STATES,
                        "Only campaigns with this status; repeatable. One of " + ", ".join(_CAMPAIGN_STATES) + ".",
                        multiple=True,
                    ),
                ),
            ),
        },
    ),
    "prospects": (
        "Prospects: the people an account writes to.",
        {
            "list": Listing(
                help=(
                    "List or search the prospects of your own account, or of companies.\n\n"
                    "--search matches any part of a field, except that an e-mail address must match completely."
                ),
                noun="prospect",
                call=lambda at, **given: at.account.prospects.list(per_page=500, **given),
                fields=(
                    Field("id", "ID", whole=True),
                    Field("email", "E-mail", whole=True),
                    Field("first_name", "First name"),
                    Field("last_name", "Last name"),
                    Field("company", "Works at", spare=2),
                    Field("status", "Status", whole=True),
                    Field("tags", "Tags", spare=3),
                    *map(Field, ("title", "industry", "website", "linkedin_url", "phone", "address", "city", "state")),
                    *map(Field, ("country", "interested", "campaign_id", "last_contacted", "last_replied")),
                    Field("updated", "Updated", spare=4),
                ),
                options=(
                    click.option(
                        "--search",
                        metavar="FIELD=TEXT",
                        multiple=True,
                        callback=_search,
                        help="Only prospects with this text in a field such as email, company or tags; repeatable.",
                    ),
                    _states(
                        "status",
                        _PROSPECT_STATES,
                        f"Only prospects with this status: {', '.join(_PROSPECT_STATES)}. "
                        "TO-CHECK and those after it are statuses within a campaign and need --campaign.",
                    ),
                    _states("interested", _INTEREST, f"Only prospects marked as: {', '.join(_INTEREST)}."),
                    click.option(
                        "--contacted/--not-contacted",
                        default=None,
                        help="Only prospects that have been contacted, or only those that have not.",
                    ),
                    click.option(
                        "--campaign",
                        "campaign_ids",
                        type=ID,
                        metavar="ID",
                        multiple=True,
                        help="Only prospects in this campaign; repeatable.",
                    ),
                ),
            ),
            "add": enrolling.ADD,
        },
    ),
    "blacklist": (
        "Domains and addresses that an account, or the whole agency, must not write to.",
        {
            "list": Listing(
                help="List the blacklist of your own account, of companies, or of the whole agency.",
                noun="entry",
                call=blacklisting.lists,
                fields=(
                    Field("entry", "Entry", of=str),
                    Field("kind", "Kind", whole=True, of=blacklisting.kind),
                ),
                whole_agency=True,
                options=(
                    click.option(
                        "--only", metavar="ENTRY", multiple=True, help="Only this domain or address; repeatable."
                    ),
                ),
            ),
            "add": blacklisting.ADD,
            "remove": blacklisting.REMOVE,
        },
    ),
    "deliverability": (
        "E-mail statistics of each company: sent, delivered, viewed, replied to, bounced.",
        {
            "list": Listing(
                help=(
                    "List e-mail statistics of each company, for a period and for the period before it.\n\n"
                    "The default period is the last 30 days. Companies without any activity are not listed."
                ),
                noun="company",
                call=lambda at, **given: at.woodpecker.agency.deliverability.list(per_page=50, **given),
                fields=(
                    Field("company_id", "Company", whole=True, of="id"),
                    Field("company_name", "Name", of="name"),
                    *_figures("emails_sent", "Sent"),
                    *_figures("delivered_emails", "Delivered", 1),
                    *_figures("views", "Views", 2),
                    *_figures("replies", "Replies"),
                    *_figures("bounces", "Bounces"),
                ),
                whose="agency",
                options=(
                    click.option("--from", "from_date", metavar="YYYY-MM-DD", help="The first day."),
                    click.option("--to", "to_date", metavar="YYYY-MM-DD", help="The last day."),
                ),
            ),
        },
    ),
    "webhooks": (
        "Webhooks: which events are sent to which URLs.",
        {
            "list": Listing(
                help=(
                    "List the webhooks of your own account, or of companies.\n\n"
                    "Passwords and secret parameters in URLs are masked unless you give --reveal."
                ),
                noun="webhook",
                call=lambda at, **given: at.account.webhooks.list(**given),
                fields=(Field("event", "Event", whole=True), Field("target_url", "URL", url=True)),
                reveal="Show URLs in full.",
            ),
            "subscribe": subscribing.SUBSCRIBE,
            "unsubscribe": subscribing.UNSUBSCRIBE,
        },
    ),
}


def family(name: str) -> click.Group:
    """Build the group of commands of a family."""
    help_, table = _FAMILIES[name]
    group = Group(name, help=help_)
    for verb, row in table.items():
        group.add_command(row.command(f"{name} {verb}"))
    return group
