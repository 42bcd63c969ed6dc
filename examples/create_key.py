"""Give a client company an API key, exactly one, though the server's answer gets lost.

python examples/create_key.py

It runs on a sandbox. For the real API set WOODPECKER_API_KEY and open `WoodpeckerSession()` instead.
"""

import asyncio

from woodpecker_async import KeyOutcomeUnknownError, WoodpeckerSession
from woodpecker_async.models import IssuedKey
from woodpecker_async.sandbox import Fault, Sandbox

vault: dict[str, str] = {}  # stands for wherever you keep secrets


async def give_key(woodpecker: WoodpeckerSession, company_id: int, label: str) -> IssuedKey | None:
    """The company's key of this label, stored; `None` if it cannot be said which one that is."""
    try:
        issued = await woodpecker.agency.api_keys.ensure(company_id, label)
    except KeyOutcomeUnknownError as error:
        print("somebody has to look at this:", error)
        return None
    vault[f"{company_id}/{label}"] = issued.api_key.reveal()
    return issued


async def main() -> None:
    """The sandbox makes the key and then breaks the connection; the SDK finds the key all the same."""
    async with Sandbox() as box, box.session() as woodpecker:
        company_id = box.company_ids[0]
        box.faults.add(Fault.close(method="POST", at="after_commit"))

        for _ in range(2):
            issued = await give_key(woodpecker, company_id, "crm")
            print(issued)

        sent = sum(record.method == "POST" for record in box.journal)
        keys = await woodpecker.agency.api_keys.list(company_id).collect()
        named = sum(key.label == "crm" for key in keys)
        print(f"creations sent: {sent}, keys named crm: {named}, keys stored: {len(vault)}")


if __name__ == "__main__":
    asyncio.run(main())
