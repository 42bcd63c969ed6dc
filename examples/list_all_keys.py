"""List the API keys of every client company.

python examples/list_all_keys.py

It runs on a sandbox. For the real API set WOODPECKER_API_KEY and open `WoodpeckerSession()` instead.
"""

import asyncio

from woodpecker_async import WoodpeckerSession, bulk
from woodpecker_async.sandbox import Sandbox


async def list_all_keys(woodpecker: WoodpeckerSession) -> bulk.Report:
    """Print every key, masked, as soon as its company is done."""
    async with bulk.list_api_keys(woodpecker) as run:
        async for outcome in run:
            if outcome.error is not None:
                print(outcome.company_id, "failed:", outcome.error)
            for key in outcome.keys:
                print(outcome.company_id, key.label, key.api_key)
    return run.report


async def main() -> None:
    """Run it on a sandbox with 100 companies."""
    async with Sandbox(companies=100) as box, box.session() as woodpecker:
        report = await list_all_keys(woodpecker)
    print(f"{report.ok} companies, {report.keys} keys, {report.failed} failed, {report.seconds:.2f} s")


if __name__ == "__main__":
    asyncio.run(main())
