from functools import partial
from typing import Any

from tests.calls import Row
from woodpecker_async.sandbox.campaigns import put_campaign
from woodpecker_async.sandbox.state import Company

ID = 12
STEP, VERSION = "36c4fb2c-6f4f-45bf-aeae-4903501193bd", "2af5c0912af5c0912af5c0912af5c091"
WORKDAYS = {"MONDAY": [("08:00", "12:00"), ("13:00", "18:00")]}
WINDOWS = {"MONDAY": [{"from": "08:00", "to": "12:00"}, {"from": "13:00", "to": "18:00"}]}
ANSWER = {"id": ID, "name": "Spring", "status": "DRAFT", "email_account_ids": [1], "settings": {}, "steps": None}


def prepare(account: Company, seed: int, status: str = "DRAFT") -> None:
    """The campaign with this id, with steps with these ids."""
    campaign = put_campaign(account, seed, ID, status=status)
    campaign.steps.append(type(campaign.steps[0])(STEP, {"type": "EMAIL", "body": {"versions": [{"id": VERSION}]}}))


def row(method: str, path: str, args: tuple[Any, ...] = (), *, status: str = "DRAFT", **fields: Any) -> Row:
    return Row(method, f"/v2/campaigns/{ID}{path}", args=(ID, *args), prepare=partial(prepare, status=status), **fields)


ROWS: dict[str, Row] = {
    "account.campaigns.list": Row(
        "GET",
        "/v1/campaign_list?status=RUNNING%2CPAUSED&id=1%2C2",
        [{"id": 1}],
        kwargs={"status": ["RUNNING", "PAUSED"], "ids": [1, 2]},
    ),
    "account.campaigns.stats": Row(
        "GET", "/v1/campaign_list?id=12", [{"id": ID, "stats": {"sent": 1}}], (ID,), prepare=prepare
    ),
    "account.campaigns.get": row("GET", "", answer=ANSWER),
    "account.campaigns.create": Row(
        "POST",
        "/v2/campaigns",
        ANSWER,
        (
            {
                "name": "Spring",
                "email_account_ids": [1, 2],
                "settings": {"timezone": "Europe/Warsaw", "catch_all_verification_mode": "BALANCED"},
                "steps": [
                    {
                        "versions": [{"subject": "Hello", "message": "<p>1</p>", "signature": "SENDER"}],
                        "delivery_time": WORKDAYS,
                        "followup_after": {"range": "DAY", "value": 3},
                    },
                    {"versions": [{"message": "<p>2</p>", "track_opens": False}]},
                    {"type": "LINKEDIN", "action_type": "VISIT_PROFILE", "linkedin_account_id": 7},
                ],
            },
        ),
        body={
            "name": "Spring",
            "email_account_ids": [1, 2],
            "settings": {"timezone": "Europe/Warsaw", "catch_all_verification_mode": "BALANCED"},
            "steps": {
                "type": "START",
                "followup": {
                    "type": "EMAIL",
                    "body": {"versions": [{"subject": "Hello", "message": "<p>1</p>", "signature": "SENDER"}]},
                    "delivery_time": WINDOWS,
                    "followup_after": {"range": "DAY", "value": 3},
                    "followup": {
                        "type": "EMAIL",
                        "body": {"versions": [{"subject": "", "message": "<p>2</p>", "track_opens": False}]},
                        "followup": {
                            "type": "LINKEDIN",
                            "body": {"action_type": "VISIT_PROFILE", "linkedin_account_id": 7},
                            "followup": None,
                        },
                    },
                },
            },
        },
    ),
    "account.campaigns.update": row(
        "PATCH",
        "",
        answer=ANSWER,
        kwargs={"name": "Summer", "email_account_ids": [3], "settings": {"daily_enroll": 20}},
        body={"name": "Summer", "email_account_ids": [3], "settings": {"daily_enroll": 20}},
    ),
    "account.campaigns.delete": row("DELETE", ""),
    "account.campaigns.run": row("POST", "/run"),
    "account.campaigns.pause": row("POST", "/pause", status="RUNNING"),
    "account.campaigns.stop": row("POST", "/stop", status="RUNNING"),
    "account.campaigns.make_editable": row("POST", "/make_editable", status="RUNNING"),
    "account.campaigns.steps.add": row(
        "POST",
        "/steps",
        ({"versions": [{"message": "<p>3</p>"}]},),
        kwargs={"parent_id": STEP},
        answer=ANSWER,
        body={
            "parent_id": STEP,
            "step": {"type": "EMAIL", "body": {"versions": [{"subject": "", "message": "<p>3</p>"}]}},
        },
    ),
    "account.campaigns.steps.update": row(
        "PATCH",
        f"/steps/{STEP}",
        (STEP,),
        kwargs={"delivery_time": WORKDAYS},
        answer=ANSWER,
        body={"delivery_time": WINDOWS},
    ),
    "account.campaigns.steps.delete": row("DELETE", f"/steps/{STEP}", (STEP,), answer=ANSWER),
    "account.campaigns.steps.update_version": row(
        "PATCH",
        f"/steps/{STEP}/versions/{VERSION}",
        (STEP, VERSION),
        kwargs={"subject": "", "track_opens": True},
        answer=ANSWER,
        body={"subject": "", "track_opens": True},
    ),
    "account.campaigns.bounce_shield.get": row(
        "GET", "/bounce_shield/threshold", answer={"bounce_rate_threshold": None}
    ),
    "account.campaigns.bounce_shield.set": row(
        "PUT", "/bounce_shield/threshold", (5,), body={"bounce_rate_threshold": 5}
    ),
    "account.campaigns.bounce_shield.clear": row("DELETE", "/bounce_shield/threshold"),
}
