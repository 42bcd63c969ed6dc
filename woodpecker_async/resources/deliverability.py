"""`/v2/agency/deliverability`: the deliverability figures of each company."""

from datetime import date
from operator import attrgetter

from woodpecker_async import checks
from woodpecker_async.models.deliverability import CompanyDeliverability
from woodpecker_async.options import CallOptions
from woodpecker_async.pagination import Pager
from woodpecker_async.resources.base import Resource


class Deliverability(Resource):
    """Deliverability figures of the agency's companies."""

    def list(
        self,
        *,
        from_date: date | str | None = None,
        to_date: date | str | None = None,
        per_page: int | None = None,
        options: CallOptions | None = None,
    ) -> Pager[CompanyDeliverability]:
        """List the deliverability figures of each company, compared with the preceding period of the same length.

        Companies without any activity are not listed. Without dates, the figures are for the last 30 days.

        Args:
            from_date: the first day, a `datetime.date` or "YYYY-MM-DD", in the time zone of the key's user.
            to_date: the last day.
            per_page: companies per page, 1 to 50; 20 by default.
            options: for each request.

        Raises:
            ConfigError: a date is invalid, or the first is after the last.

        Document: "Deliverability", `GET /v2/agency/deliverability`.
        """
        first, last = checks.date_range(from_date, to_date, optional=True)
        return self._list(
            "/v2/agency/deliverability",
            CompanyDeliverability,
            key=attrgetter("id"),
            params={
                "from": first,
                "to": last,
                "per_page": None if per_page is None else checks.integer(per_page, "per_page", 1, 50),
            },
            options=options,
        )
