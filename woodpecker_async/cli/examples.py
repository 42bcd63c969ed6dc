"""The examples that the help of each command ends in; the tests see that each of them can be parsed."""

from collections.abc import Mapping
from typing import Final

EXAMPLES: Final[Mapping[str, tuple[str, ...]]] = {
    "keys": ("keys list --all", "keys audit --all"),
    "keys list": (
        "keys list --all --sandbox",
        "keys list --all --active --format csv > keys.csv",
        "keys list --company 123 --company 456 --format json",
        "keys list --all --label crm --fields company_id,api_key --no-header --format csv",
        "keys list --all --without-label backup --sort company_name",
        "keys list --all --output keys.csv --report run.json",
        "keys list --all --output keys.csv --report run.json --resume run.json",
    ),
    "keys create": (
        "keys create --company 123 --label nightly --output nightly.key",
        "keys create --company 123 --label crm --reveal",
    ),
    "keys ensure": (
        "keys ensure --company 123 --label crm",
        "keys ensure --all --label backup --dry-run",
        "keys ensure --all --label backup --output backup-keys.jsonl --yes",
    ),
    "keys sweep": (
        "keys sweep --all --redis redis://localhost:6379/0",
        "keys sweep --all --ensure backup --sink vault --redis redis://localhost:6379/0",
    ),
    "keys audit": ("keys audit", "keys audit --active --format csv > audit.csv", "keys audit --exit-code --quiet"),
    "keys report": ("keys report --html keys.html", "keys report --html keys.html --active --force"),
    "inventory": ("inventory save today.json", "inventory diff yesterday.json today.json"),
    "inventory save": ("inventory save today.json", "inventory save today.json --active --force"),
    "inventory diff": (
        "inventory diff yesterday.json today.json",
        "inventory diff yesterday.json today.json --format json",
    ),
    "users": ("users list --company 123",),
    "users list": ("users list", "users list --all --fields company_id,email,roles --format csv > users.csv"),
    "guests": ("guests list --company 123",),
    "guests list": ("guests list --all", "guests list --company 123 --sort email"),
    "guests invite": (
        "guests invite --company 123 'Monica Hall <monica@example.com>' --dry-run",
        "guests invite --company 123 'Monica Hall <monica@example.com>' --permission mailboxes --yes",
    ),
    "guests set-permissions": (
        "guests set-permissions --company 123 456 789 --permission mailboxes",
        "guests set-permissions --company 123 456 --none",
    ),
    "email-accounts": ("email-accounts list --company 123",),
    "email-accounts list": (
        "email-accounts list --company 123",
        "email-accounts list --all --active --sort -error",
    ),
    "mailboxes": ("mailboxes list --company 123",),
    "mailboxes list": (
        "mailboxes list --company 123",
        "mailboxes list --all --active --format csv --output mailboxes.csv",
        "mailboxes list --all --fields company_name,email,sent_today,daily_limit --sort -sent_today --limit 20",
    ),
    "campaigns": ("campaigns list --company 123",),
    "campaigns list": ("campaigns list --company 123", "campaigns list --all --status RUNNING --format csv"),
    "prospects": (
        "prospects list --company 123 --limit 20",
        "prospects add --company 123 --campaign 456 monica@example.com --field first_name=Monica",
    ),
    "prospects list": (
        "prospects list --company 123 --search email=monica@example.com",
        "prospects list --company 123 --status BOUNCED --format csv --output bounced.csv",
    ),
    "prospects add": (
        "prospects add --company 123 --campaign 456 monica@example.com --field first_name=Monica --dry-run",
        "prospects add --company 123 --from prospects.csv --field tags='#fair' --update",
    ),
    "blacklist": ("blacklist list --agency", "blacklist add --agency rival.example"),
    "blacklist list": ("blacklist list --agency", "blacklist list --all --only stop@example.com"),
    "blacklist add": (
        "blacklist add --agency rival.example stop@example.com --dry-run",
        "blacklist add --company 123 --from unsubscribed.txt",
    ),
    "blacklist remove": ("blacklist remove --agency rival.example", "blacklist remove --company 123 stop@example.com"),
    "deliverability": ("deliverability list",),
    "deliverability list": (
        "deliverability list --sort -bounces --limit 10",
        "deliverability list --from 2026-10-01 --to 2026-10-31 --format csv > october.csv",
    ),
    "webhooks": ("webhooks list",),
    "webhooks list": ("webhooks list --all", "webhooks list --company 123 --reveal"),
    "webhooks subscribe": (
        "webhooks subscribe --company 123 https://example.com/woodpecker prospect_replied prospect_bounced",
    ),
    "webhooks unsubscribe": ("webhooks unsubscribe --company 123 https://example.com/woodpecker prospect_bounced",),
    "doctor": ("doctor", "doctor --limits", "doctor --format json > doctor.json"),
    "api": (
        "api GET /v2/mailboxes --company 123",
        "api GET /v2/agency/companies --field active=true --paginate --format jsonl",
        "api POST /v2/agency/blacklist/domains --input domains.json",
    ),
    "config": ("config show", "config show --profile other"),
    "config show": ("config show", "config show --profile other --format json"),
    "completion": ("completion bash >> ~/.bashrc", "completion zsh >> ~/.zshrc"),
    "help": ("help keys list", "help environment", "help exit-codes"),
    "companies": ("companies list --active",),
    "companies list": (
        "companies list",
        "companies list --active --format csv > companies.csv",
        "companies list --fields id,name,running_campaigns --sort -running_campaigns --limit 10",
    ),
    "companies create": (
        "companies create --name 'Bachmanity Infinite'",
        "companies create --names-from names.txt --dry-run",
    ),
    "me": ("me", "me --company 123 --format json"),
    "worker": (
        "worker --redis redis://localhost:6379/0",
        "worker --redis redis://localhost:6379/0 --sink vault=keys.jsonl",
    ),
    "sandbox": ("sandbox serve",),
    "sandbox serve": ("sandbox serve --companies 40 --state-file sandbox.json",),
}
