"""Prospects: of an account, and the removal of all those of a company."""

from woodpecker_async import checks
from woodpecker_async.errors import ConfigError
from woodpecker_async.models.prospects import ProspectDeletion
from woodpecker_async.options import CallOptions
from woodpecker_async.resources.base import Resource


class AgencyProspects(Resource):
    """The prospects of client companies."""

    async def delete_all(
        self, company_id: int, *, confirm: int, options: CallOptions | None = None
    ) -> ProspectDeletion:
        """Delete all prospects of a company, for good.

        It is never repeated, unless the request measurably never left or was refused with 429.

        Args:
            company_id: the company.
            confirm: the company's id once more.
            options: for this call.

        Raises:
            ConfigError: `confirm` is another id; nothing was sent.
            OutcomeUnknownError: they may be deleted: look with `session.company(id).prospects.list` before trying
                again.

        Document: "Delete prospects of a company", `POST /v2/agency/companies/{company_id}/prospects/delete`.
        """
        company_id = checks.company_id(company_id)
        if checks.company_id(confirm) != company_id:
            raise ConfigError(
                f"confirm must be {company_id}, the company's id once more, not {confirm}: all its prospects would be "
                "deleted for good"
            )
        return await self._call(
            "POST",
            "/v2/agency/companies/{company_id}/prospects/delete",
            ProspectDeletion,
            body={"type": "ALL"},
            find_out=f"look with session.company({company_id}).prospects.list() before trying again",
            options=options,
            company_id=company_id,
        )


class Prospects(Resource):
    """The prospects of an account."""
