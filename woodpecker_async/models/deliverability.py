"""What became of the e-mails that companies sent."""

import attrs


@attrs.frozen(kw_only=True)
class PeriodCount:
    """How many there were.

    Attributes:
        current_period: in the period asked for.
        previous_period: in the one of the same length just before it.
    """

    current_period: int | None = None
    previous_period: int | None = None


@attrs.frozen(kw_only=True)
class CompanyDeliverability:
    """The figures of a company (document "Deliverability"). They count actions, not prospects.

    Attributes:
        id: the company's id.
        name: its name.
        emails_sent: e-mails sent.
        delivered_emails: e-mails delivered.
        views: times that an e-mail was opened.
        replies: replies.
        bounces: e-mails that bounced.
    """

    id: int
    name: str | None = None
    emails_sent: PeriodCount | None = None
    delivered_emails: PeriodCount | None = None
    views: PeriodCount | None = None
    replies: PeriodCount | None = None
    bounces: PeriodCount | None = None
