"""`/v2/manual_tasks`: tasks for someone to do by hand."""

from woodpecker_async import checks
from woodpecker_async.models.manual_tasks import ManualTask
from woodpecker_async.options import CallOptions
from woodpecker_async.pagination import Pager
from woodpecker_async.paging_styles import PERHAPS_ARRAY
from woodpecker_async.resources.base import Resource


class ManualTasks(Resource):
    """The manual tasks of an account."""

    def list(self, *, limit: int | None = None, options: CallOptions | None = None) -> Pager[ManualTask]:
        """List all open tasks, in one response.

        The API returns at most 500 tasks and has no pages: if you get as many as you asked for, there may be more.

        Args:
            limit: the maximum number of tasks, 1 to 500; 500 by default.
            options: for the request.

        Document: "Get manual tasks", `GET /v2/manual_tasks`.
        """
        return self._list(
            "/v2/manual_tasks",
            ManualTask,
            PERHAPS_ARRAY,
            key=id,  # a task has no id: two that look alike are two tasks
            params={"limit": None if limit is None else checks.integer(limit, "limit", 1, 500)},
            options=options,
        )
