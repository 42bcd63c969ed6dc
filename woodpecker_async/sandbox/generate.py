"""The initial data of a plausible agency: companies, mailboxes and keys, generated from a seed."""

from woodpecker_async.sandbox import draw
from woodpecker_async.sandbox.state import Company, Mailbox, State, User

_FIRST = (
    "Nordlicht", "Banyan", "Cobalt", "Żuraw", "Fernhill", "Harbour", "Ivory", "Juniper", "Kestrel",
    "Larkspur", "Meridian", "Oakline", "Pinnacle", "Quarry", "Ravel", "Saffron", "Tern", "Umbra",
    "Vantage", "Willow", "Yarrow", "Zenith", "Alder", "Bracken", "Copperfield", "Driftwood", "Élan",
)  # fmt: skip
_SECOND = (
    "Logistics", "& Rowe", "Dental Group", "Robotics", "Staffing", "Capital Partners", "Media, Inc.",
    "Health", "Solar", "Legal", "Foods", "Analytics", "Interiors", "O'Brien Consulting", "Travel",
    "Cyber", "Freight", "HR", "Studio", "Energy", "Biotech", "Homes",
)  # fmt: skip
_LABELS = (
    "Zapier", "HubSpot sync", "Make scenario", "Reporting dashboard", "Integracja CRM", "n8n production",
    "Data warehouse (nightly)", "Büro Reporting", "Lead import", "staging", "Clay enrichment",
)  # fmt: skip
_PEOPLE = ("Maja Lindqvist", "Tomasz Wróbel", "Aisha Rahman", "Pedro Salgado", "Hannah O'Neil")
_PROVIDERS = ("Google", "Outlook", "Other")


def generate(*, companies: int, keys_per_company: int, inactive: int, seed: int, other_users_keys: int = 0) -> State:
    """Build the data of a new sandbox.

    Args:
        companies: number of client companies.
        keys_per_company: number of keys of each company that the HQ key can list.
        inactive: how many of the companies are inactive; these are the last ones.
        seed: the seed for everything, including secrets.
        other_users_keys: number of further keys of each company, which belong to a colleague and are not listed.
    """
    user = User(id=7_000 + draw.number(seed, "user") % 1000, name=_PEOPLE[0], email="maja@agency.example")
    colleague = User(id=user.id + 1, name=_PEOPLE[1], email="tomasz@agency.example")
    hq_id = 50_000 + draw.number(seed, "hq") % 40_000
    state = State(
        seed=seed,
        hq=Company(
            id=hq_id,
            name="Lighthouse Outreach (HQ)",
            owner=user.name,
            running_campaigns=2,
            linkedin_slots=2,
            mailboxes=_mailboxes(seed, hq_id, "Lighthouse", user.name, least=1),
        ),
        user=user,
        colleague=colleague,
        feldera_token=f"apikey:{draw.letters(128, seed, 'feldera token')}",
    )
    state.add_key(hq_id, "Agency tools")
    company_id = hq_id
    for place in range(companies):
        # Uneven steps, so that nobody can guess the next id or rely on consecutive ones.
        company_id += 1 + draw.number(seed, "id", place) % 80_000
        company = _company(seed, place, company_id)
        company.active = place < companies - inactive
        state.companies[company_id] = company
        for count in range(keys_per_company):
            state.add_key(company_id, _label(seed, company_id, count))
        for count in range(other_users_keys):
            state.add_key(company_id, f"Not yours {count + 1}", created_by=colleague.id)
    state.version = 0
    return state


def _company(seed: int, place: int, company_id: int) -> Company:
    first = _FIRST[(place + seed) % len(_FIRST)]
    second = _SECOND[(place * 5 + seed) % len(_SECOND)]
    again = place // (len(_FIRST) * len(_SECOND))
    owner = draw.pick(_PEOPLE, seed, "owner", place)
    return Company(
        id=company_id,
        name=f"{first} {second}" + (f" {again + 1}" if again else ""),
        owner=owner,
        running_campaigns=draw.number(seed, "campaigns", place) % 9,
        linkedin_slots=draw.number(seed, "linkedin", place) % 3,
        mailboxes=_mailboxes(seed, company_id, first, owner),
    )


def _label(seed: int, company_id: int, count: int) -> str | None:
    # One key in seven has no label, but never a company's first.
    if count % 7 == 1 + draw.number(seed, "no label", company_id) % 6:
        return None
    # Cycling through the list keeps the labels of a company distinct, which tests can rely on.
    place = draw.number(seed, "label", company_id) + count
    round_ = count // len(_LABELS)
    return _LABELS[place % len(_LABELS)] + (f" {round_ + 1}" if round_ else "")


def _mailboxes(seed: int, company_id: int, name: str, person: str, least: int = 0) -> tuple[Mailbox, ...]:
    boxes = []
    for count in range(least + draw.number(seed, "mailboxes", company_id) % 3):
        smtp_id = company_id * 10 + 2 * count
        # Addresses are ASCII; names need not be.
        domain = name.encode("ascii", "ignore").decode().lower()
        boxes.append(
            Mailbox(
                smtp_id=smtp_id,
                imap_id=smtp_id + 1,
                email=f"sales{count + 1}@{domain}.example",
                from_name=person,
                provider=draw.pick(_PROVIDERS, seed, "provider", smtp_id),
                error="Connected conditionally." if draw.number(seed, "error", smtp_id) % 6 == 0 else None,
                running_campaigns=draw.number(seed, "box campaigns", smtp_id) % 4,
            )
        )
    return tuple(boxes)
