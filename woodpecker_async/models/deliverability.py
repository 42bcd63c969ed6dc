"""Deliverability figures of companies."""

import attrs


@attrs.frozen(kw_only=True)
class PeriodCount:
    """A count, compared with the preceding period.

    Attributes:
        current_period: the count in the requested period.
        previous_period: the count in the preceding period of the same length.
    """

    current_period: int | None = None
    previous_period: int | None = None


@attrs.frozen(kw_only=True)
class CompanyDeliverability:
    """The deliverability figures of a company (document "Deliverability"). They count actions, not prospects.

    Attributes:
        id: the company's id.
        name: its name.
        emails_sent: e-mails sent.
        delivered_emails: e-mails delivered.
        views: how often an e-mail was opened.
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
