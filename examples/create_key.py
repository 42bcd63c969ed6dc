"""Give a client company exactly one API key, even though the server's response gets lost.

python examples/create_key.py

It runs on a sandbox. For the real API set WOODPECKER_API_KEY and open `WoodpeckerSession()` instead.
"""

import asyncio

from woodpecker_async import KeyOutcomeUnknownError, WoodpeckerSession
from woodpecker_async.models import IssuedKey
from woodpecker_async.sandbox import Fault, Sandbox

vault: dict[str, str] = {}  # in place of wherever you keep secrets


async def give_key(woodpecker: WoodpeckerSession, company_id: int, label: str) -> IssuedKey | None:
    """Get or create the company's key with this label, and store it; `None` if it is not known which key that is."""
    try:
        issued = await woodpecker.agency.api_keys.ensure(company_id, label)
    except KeyOutcomeUnknownError as error:
        print("needs a manual check:", error)
        return None
    vault[f"{company_id}/{label}"] = issued.api_key.reveal()
    return issued


async def main() -> None:
    """The sandbox creates the key and then drops the connection; the SDK still finds the key."""
    async with Sandbox() as box, box.session() as woodpecker:
        company_id = box.company_ids[0]
        box.faults.add(Fault.close(method="POST", at="after_commit"))

        for _ in range(2):
            issued = await give_key(woodpecker, company_id, "crm")
            print(issued)

        sent = sum(record.method == "POST" for record in box.journal)
        keys = await woodpecker.agency.api_keys.list(company_id).collect()
        named = sum(key.label == "crm" for key in keys)
        print(f"create requests: {sent}, keys labelled crm: {named}, keys stored: {len(vault)}")


if __name__ == "__main__":
    asyncio.run(main())
