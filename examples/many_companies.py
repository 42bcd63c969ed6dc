"""Run your own code for many client companies: find the mailboxes that have a problem.

python examples/many_companies.py

It runs on a sandbox. For the real API set WOODPECKER_API_KEY and open `WoodpeckerSession()` instead.
"""

import asyncio

from woodpecker_async import ApiError, CallOptions, WoodpeckerSession
from woodpecker_async.models import Company
from woodpecker_async.sandbox import Sandbox

# So that requests of this process that a user is waiting for go first.
BULK = CallOptions(priority="bulk")


async def look_at(woodpecker: WoodpeckerSession, company: Company) -> list[str]:
    """The problems at one company, one line each."""
    try:
        async with woodpecker.company(company.id, options=BULK) as client:
            mailboxes = await client.mailboxes.list().collect()
    except ApiError as error:  # only this company failed: the others continue
        return [f"{company.name}: {error}"]
    return [f"{company.name}: {box.details.email}: {box.details.error}" for box in mailboxes if box.details.error]


async def find_problems(woodpecker: WoodpeckerSession) -> list[str]:
    """The problems at all active companies. One task each: the SDK keeps seven requests in flight."""
    companies = await woodpecker.agency.companies.list(active=True, options=BULK).collect()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(look_at(woodpecker, company)) for company in companies]
    return [problem for task in tasks for problem in task.result()]


async def main() -> None:
    """Run it on a sandbox with 60 companies."""
    async with Sandbox(companies=60, inactive=5) as box, box.session() as woodpecker:
        for problem in await find_problems(woodpecker):
            print(problem)
        print(f"{box.stats.requests} requests, {box.stats.refused} refused by the server")


if __name__ == "__main__":
    asyncio.run(main())
