"""Mailboxes: list, connect by password or through Microsoft's directory, and wait for them."""

import asyncio
import copy
import json
import pickle
import re
import traceback
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from tests.calls.mailboxes import MAILBOX, SUMMARY
from tests.fakes import VirtualClock
from tests.raw import answer, raw_server
from tests.walker import leaks
from woodpecker_async import CallOptions, Secret, WoodpeckerSession, errors
from woodpecker_async.models import (
    CompletionNotification,
    ConnectionSummary,
    Freeze,
    Mailbox,
    MailboxType,
    NewMailbox,
    NewMicrosoftMailbox,
)
from woodpecker_async.sandbox import Fault, Sandbox

PASSWORD = "hunter2-sentinel"


def mailbox(**changes: Any) -> dict[str, Any]:
    return {**MAILBOX, "smtp_password": PASSWORD, "imap_password": PASSWORD, **changes}


async def answered(body: object, call: Callable[[WoodpeckerSession], Any], status: int = 200) -> Any:
    async def handle(server, number, head):
        return answer(json.dumps(body).encode(), status=status)

    async with raw_server(handle) as server:
        async with WoodpeckerSession("1.key", base_url=server.url, clock=VirtualClock()) as woodpecker:
            return await call(woodpecker)


# Lists -----------------------------------------------------------------------------------------------------------

OLD_SMTP = {
    "id": 234,
    "type": "SMTP",
    "details": {
        "email": "jared@example.com",
        "provider": "MAILGUN",
        "login": "jared.dunn",
        "server": "smtp.example.org",
        "port": 987,
        "from_name": "Jared",
        "error": "Connected conditionally.",
        "imap_id": 123,
        "daily_limit": 500,
        "sent_today": 25,
        "frequency_from": 90000,
        "frequency_to": 140000,
        "bcc_crm": "",
        "signature": "<div>J</div>",
        "open_url": "",
        "click_url": "",
        "unsubscribe_url": "",
        "freeze_account": [{"from": "2022-07-06T00:00:00+0200", "to": "2022-07-06T23:59:59+0200"}],
        "in_slot": True,
    },
}
ODD = [
    OLD_SMTP,
    {"id": 345, "type": "SMTP", "details": {"error": "", "freeze_account": "", "warmup_data": None, "port": "25"}},
    {"id": 123, "type": "IMAP", "details": {"email": "a@b.c", "private": False}},
    {"id": 1, "type": "EXCHANGE", "details": {"freeze_account": None, "warmup_data": {}, "tomorrow": [1]}},
    {
        "id": 2,
        "type": "SMTP",
        "details": {"freeze_account": [{"from": "", "to": None}], "warmup_data": {"status": "OFF"}},
    },
]


async def test_mailboxes_as_every_document_has_them() -> None:
    old, plain, imap, odd, last = await answered(ODD, lambda w: w.account.mailboxes.list().collect())
    zone = timezone(timedelta(hours=2))
    assert old.details.freeze_account == (
        Freeze(from_time=datetime(2022, 7, 6, tzinfo=zone), to_time=datetime(2022, 7, 6, 23, 59, 59, tzinfo=zone)),
    )
    assert (old.details.bcc_crm, old.details.error) == (None, "Connected conditionally.")
    assert (plain.details.error, plain.details.freeze_account, plain.details.port) == (None, (), 25)
    assert (imap.type, imap.details.private) == (MailboxType.IMAP, False)
    assert (odd.type, odd.details.freeze_account, odd.details.warmup_data.status) == ("EXCHANGE", (), None)
    assert (last.details.freeze_account, last.details.warmup_data.status) == ((Freeze(),), "OFF")


@pytest.mark.parametrize(
    "details", [{"freeze_account": {}}, {"freeze_account": [7]}, {"freeze_account": "x"}, {"port": "a"}, {"in_slot": 1}]
)
async def test_what_no_document_has_is_an_error(details: dict[str, Any]) -> None:
    with pytest.raises(errors.ResponseDecodeError, match=rf"details\.{next(iter(details))}"):
        await answered({"id": 1, "type": "SMTP", "details": details}, lambda w: w.account.mailboxes.get(1))


async def test_a_footer_is_set_and_removed(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    mailboxes = woodpecker.account.mailboxes
    smtp = next(one for one in await mailboxes.list() if one.type == MailboxType.SMTP)
    assert await mailboxes.get(smtp.id) == smtp
    await mailboxes.set_footer(smtp.id, "<p>Bye {{UNSUBSCRIBE}}</p>")
    assert (await mailboxes.get(smtp.id)).details.signature == "<p>Bye {{UNSUBSCRIBE}}</p>"
    box.faults.add(Fault.close(at="after_commit", method="PATCH"))
    await mailboxes.set_footer(smtp.id, None)  # sent again after its response was lost
    assert (await mailboxes.get(smtp.id)).details.signature is None
    with pytest.raises(errors.NotFoundError):
        await mailboxes.set_footer(smtp.details.imap_id or 0, "x")
    with pytest.raises(errors.NotFoundError):
        await mailboxes.get(1)


# Connecting ------------------------------------------------------------------------------------------------------


async def test_a_batch_finishes_with_some_failures() -> None:
    clock = VirtualClock()
    told: list[tuple[int | None, float]] = []
    async with Sandbox(companies=1, ready_after=3) as box, box.session(clock=clock) as woodpecker:
        mailboxes = woodpecker.company(box.company_ids[0]).mailboxes
        before = await mailboxes.list().collect()
        batch = await mailboxes.connect(
            [
                NewMailbox(**mailbox(smtp_email="fine@example.com", footer="<p>F</p>\n", daily_sending_limit=100)),
                mailbox(smtp_email="half@example.com", imap_server="imap.invalid"),
                mailbox(smtp_email="none@example.com", smtp_server="smtp.invalid", smtp_password=Secret(PASSWORD)),
            ],
            notify=[CompletionNotification.MAIL, "IN_APP"],
        )
        first = await mailboxes.connection(batch.batch_id)
        assert (first.processing_finished, first.pending_mailboxes_count) == (False, 3)
        summary = await mailboxes.wait_connected(
            batch.batch_id, on_progress=lambda now, seconds: told.append((now.pending_mailboxes_count, seconds))
        )
        assert told == [(2, 0), (1, 0.5), (0, 1.25)]
        assert (summary.batch_size, summary.connected_mailboxes_count) == (3, 1)
        assert summary.conditionally_connected_mailboxes_count == summary.failed_mailboxes_count == 1
        assert summary.failed_mailboxes[0]["smtp_email"] == "none@example.com"
        assert str(summary) == "3 mailboxes: finished, 1 connected, 1 conditionally, 1 failed"
        new = [one for one in await mailboxes.list().collect() if one not in before]
        assert {one.details.email for one in new} == {"fine@example.com", "half@example.com"}
        assert {one.details.error for one in new if one.type == "SMTP"} == {None, "Connected conditionally."}
        (sent,) = [json.loads(record.body) for record in box.journal if record.method == "POST"]
        assert sent["completion_notification_types"] == ["MAIL", "IN_APP"]
        assert [one["smtp_password"] for one in sent["mailboxes"]] == [PASSWORD] * 3
        assert "footer" not in sent["mailboxes"][1]
        assert all(record.company_header for record in box.journal)


async def test_the_wait_ends_at_its_deadline_and_can_go_on() -> None:
    async with Sandbox(companies=1, ready_after=60) as box, box.session(clock=VirtualClock()) as woodpecker:
        mailboxes = woodpecker.account.mailboxes
        batch = await mailboxes.connect([mailbox()])
        with pytest.raises(
            errors.DeadlineExceededError, match=r"1 mailboxes: 1 pending.*wait_connected\(\d+\)"
        ) as late:
            await mailboxes.wait_connected(batch.batch_id, deadline=20)
        assert late.value.job == batch.batch_id
        assert (await mailboxes.wait_connected(late.value.job, deadline=2000)).processing_finished
        assert pickle.loads(pickle.dumps(late.value)).job == batch.batch_id
        with pytest.raises(errors.NotFoundError) as unknown:
            await mailboxes.wait_connected(1)
        assert unknown.value.job == 1


async def test_the_deadline_counts_while_the_server_does_not_answer() -> None:
    async with Sandbox(companies=1) as box, box.session() as woodpecker:
        batch = await woodpecker.account.mailboxes.connect([mailbox()])
        box.faults.add(Fault.wait(30, path=re.compile("/summary"), times=None))
        with pytest.raises(errors.DeadlineExceededError, match="last seen: nothing") as late:
            await woodpecker.account.mailboxes.wait_connected(batch.batch_id, deadline=0.2)
        assert late.value.job == batch.batch_id
        assert late.value.attempts


@pytest.mark.parametrize(("priority", "expected"), [(None, range(6, 13)), ("interactive", range(6))])
async def test_a_look_gives_way_to_calls_that_come_later(priority: Any, expected: range) -> None:
    """To seven of eight of them."""
    options = None if priority is None else CallOptions(priority=priority)
    async with Sandbox(companies=1, service_time=0.02) as box, box.session() as woodpecker:
        batch = await woodpecker.account.mailboxes.connect([mailbox()])
        already = len(box.journal)

        async def begun(count: int) -> list[asyncio.Future[Any]]:
            calls = [asyncio.ensure_future(woodpecker.account.me()) for _ in range(count)]
            await asyncio.sleep(0)
            return calls

        calls = await begun(5)
        waiting = asyncio.ensure_future(woodpecker.account.mailboxes.wait_connected(batch.batch_id, options=options))
        await asyncio.sleep(0)
        await asyncio.gather(waiting, *calls, *await begun(30))
        paths = [record.path.rpartition("/")[2] for record in box.journal[already:]]
        assert paths.index("summary") in expected


async def test_a_lost_connection_of_mailboxes_is_not_sent_again(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    for call, path in (
        (lambda: woodpecker.account.mailboxes.connect([mailbox()]), "manual_connection"),
        (lambda: woodpecker.account.mailboxes.microsoft.connect([{"mailbox_email": "a@b.c"}]), "microsoft"),
    ):
        box.faults.add(Fault.close(at="after_commit", method="POST"))
        with pytest.raises(errors.OutcomeUnknownError, match=r"look with mailboxes\.list\(\)"):
            await call()
        assert sum(path in record.path for record in box.journal) == 1


async def test_the_server_says_in_details_what_is_wrong() -> None:
    body = {"code": "VALIDATION_ERROR", "details": ["mailboxes[0].bcc is wrong", f"{PASSWORD} is weak"]}
    with pytest.raises(
        errors.BadRequestError, match=r"mailboxes\[0\].bcc is wrong; \*\*\*\* is weak \(VALIDATION"
    ) as said:
        await answered(body, lambda w: w.account.mailboxes.connect([mailbox()]), 400)
    assert said.value.details == ["mailboxes[0].bcc is wrong", "**** is weak"]
    with pytest.raises(errors.ConflictError):
        await answered(body, lambda w: w.account.mailboxes.connect([mailbox()]), 409)
    with pytest.raises(errors.OutcomeUnknownError):
        await answered(body, lambda w: w.account.mailboxes.connect([mailbox()]), 500)


async def test_a_summary_with_nulls() -> None:
    body = {**dict.fromkeys(SUMMARY), "processing_finished": False}
    summary: ConnectionSummary = await answered(body, lambda w: w.account.mailboxes.connection(5))
    assert (summary.batch_size, summary.failed_mailboxes) == (None, ())


# Passwords -------------------------------------------------------------------------------------------------------


def test_a_password_is_a_secret_from_the_start() -> None:
    new = NewMailbox(**mailbox())
    assert isinstance(new.smtp_password, Secret)
    assert new == NewMailbox(**mailbox(smtp_password=Secret(PASSWORD)))
    for text in (repr(new), str(new), repr(copy.deepcopy(new))):
        assert PASSWORD not in text
    assert PASSWORD.encode() not in pickle.dumps(new)
    assert PASSWORD not in repr(NewMailbox(**mailbox(smtp_password=PASSWORD.encode())))


@pytest.mark.parametrize("wrong", [{"smtp_password": PASSWORD.encode()}, {"smtp_port": 0}, {"footer": " "}, {"no": 1}])
@pytest.mark.parametrize("as_model", [True, False])
async def test_a_refused_mailbox_shows_no_password(wrong: dict[str, Any], as_model: bool) -> None:
    if as_model and "no" in wrong:
        pytest.skip("the class refuses it")
    async with WoodpeckerSession("1.key", base_url="http://127.0.0.1:9/rest") as woodpecker:
        given = [NewMailbox(**mailbox(**wrong)) if as_model else mailbox(**wrong)]
        with pytest.raises(errors.ConfigError) as refused:
            await woodpecker.account.mailboxes.connect(given)
    assert not leaks(refused.value, [PASSWORD])
    assert PASSWORD not in "".join(traceback.format_exception(refused.value))


async def test_a_secret_that_is_not_meant_to_be_sent_is_refused(woodpecker: WoodpeckerSession) -> None:
    new = NewMailbox(**mailbox())
    for body in ({"key": Secret(PASSWORD)}, [Secret(PASSWORD)], Secret(PASSWORD), new, {"mailboxes": [new]}):
        with pytest.raises(errors.ConfigError, match="a Secret") as refused:
            await woodpecker.request("POST", "/v2/mailboxes/manual_connection/bulk", company_id=None, json=body)
        assert not leaks(refused.value, [PASSWORD])


async def test_a_secret_out_of_a_pickle_is_refused(woodpecker: WoodpeckerSession, box: Sandbox) -> None:
    with pytest.raises(errors.SecretNotCarriedError):
        await woodpecker.account.mailboxes.connect([pickle.loads(pickle.dumps(NewMailbox(**mailbox())))])
    assert not box.journal


# Microsoft -------------------------------------------------------------------------------------------------------


async def test_microsoft_says_of_each_mailbox_what_became_of_it(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    microsoft = woodpecker.account.mailboxes.microsoft
    (credential,) = await microsoft.credentials.list()
    assert credential.secret_expires_at is not None
    assert credential.secret_expires_at.isoformat() == "2027-11-28T23:59:59+00:00"
    accounts = [NewMicrosoftMailbox(mailbox_email="a@b.c", display_name="A"), {"mailbox_email": "a@b.invalid"}]
    fine, failed = await microsoft.connect(accounts)
    assert (fine.success, fine.error, fine.name) == (True, None, "A")
    assert (failed.success, failed.id, failed.error) == (False, None, "The mailbox does not exist.")
    assert fine.id in [one.id for one in await woodpecker.account.mailboxes.list()]
    box.faults.add(Fault.close(at="after_commit", method="DELETE"))
    await microsoft.credentials.delete(credential.credential_id)
    assert await microsoft.credentials.list().collect() == []
    with pytest.raises(errors.NotFoundError):
        await microsoft.credentials.delete(credential.credential_id)
    with pytest.raises(errors.BadRequestError):
        await microsoft.connect(accounts)


async def test_microsofts_answers_with_nulls_and_what_is_missing() -> None:
    body = [
        {"success": True, "id": "12", "deliverability": {"spf_correct": None}},
        {"success": False, "error": {"c": 1}},
    ]
    one, other = await answered(body, lambda w: w.account.mailboxes.microsoft.connect([{"mailbox_email": "a@b.c"}]))
    assert (one.id, one.deliverability.spf_correct, other.error) == (12, None, {"c": 1})
    listed = {"credentials": [{"credential_id": 1, "secret_expires_at": "", "name": None}]}
    (credential,) = await answered(listed, lambda w: w.account.mailboxes.microsoft.credentials.list().collect())
    assert credential.secret_expires_at is None
    assert (
        await answered({"credentials": []}, lambda w: w.account.mailboxes.microsoft.credentials.list().collect()) == []
    )
    with pytest.raises(errors.ApiError, match="Missing tenantId") as unprocessable:
        await answered(
            {"code": "X", "message": "Missing tenantId"},
            lambda w: w.account.mailboxes.microsoft.credentials.list().collect(),
            422,
        )
    assert unprocessable.value.status == 422


# Bad input -------------------------------------------------------------------------------------------------------

CONNECT: dict[str, tuple[dict[str, Any], str]] = {
    **{f"{name} missing": ({name: ...}, rf"mailboxes\[0\] needs {name}") for name in MAILBOX},
    **{f"{name} None": ({name: None}, rf"mailboxes\[0\]\.{name}") for name in MAILBOX},
    **{
        f"{name} {port!r}": ({name: port}, rf"\.{name} must be an integer from 1 to 65535")
        for name in ("smtp_port", "imap_port")
        for port in (0, 65536, True, "25", 25.0)
    },
    **{
        f"{name} blank": ({name: blank}, rf"\.{name}")
        for name in (
            "smtp_login",
            "smtp_from_name",
            "footer",
            "bcc",
            "open_tracking_domain",
            "smtp_password",
            "smtp_server",
        )
        for blank in ("", "  ", 7)
    },
    "an address that is none": ({"smtp_email": "monica"}, "must be an e-mail address"),
    "bcc that is none": ({"bcc": "crm"}, "bcc must be an e-mail address"),
    "URL as a domain": ({"click_tracking_domain": "https://a.example"}, "must be a domain such as 'example.com'"),
    "short pause": ({"sending_wait_time_from": 9}, "from 10 to 9999"),
    "long pause": ({"sending_wait_time_to": 10000}, "from 20 to 9999"),
    "short longest pause": ({"sending_wait_time_to": 19}, "from 20 to 9999"),
    "reversed pauses": ({"sending_wait_time_from": 50, "sending_wait_time_to": 40}, "must be less than"),
    "equal pauses": ({"sending_wait_time_from": 50, "sending_wait_time_to": 50}, "must be less than"),
    "no limit": ({"daily_sending_limit": 0}, "from 1 to 5500"),
    "large limit": ({"daily_sending_limit": 5501}, "from 1 to 5500"),
    "unknown field": ({"smtp_passwort": 7}, "did you mean 'smtp_password'"),
}
REFUSED: dict[str, tuple[Callable[[WoodpeckerSession], Any], str]] = {
    **{
        name: (
            lambda w, changes=changes: w.account.mailboxes.connect(
                [{name: value for name, value in mailbox(**changes).items() if value is not ...}]
            ),
            message,
        )
        for name, (changes, message) in CONNECT.items()
    },
    "second mailbox": (lambda w: w.account.mailboxes.connect([mailbox(), mailbox(smtp_port=0)]), r"mailboxes\[1\]"),
    "no mailboxes": (lambda w: w.account.mailboxes.connect([]), "mailboxes must not be empty"),
    "too many": (lambda w: w.account.mailboxes.connect([mailbox()] * 201), "at most 200 entries, not 201"),
    "one alone": (lambda w: w.account.mailboxes.connect(mailbox()), "mailboxes must be a list"),
    "an odd thing": (lambda w: w.account.mailboxes.connect([7]), r"mailboxes\[0\] must be a NewMailbox"),
    "odd notification": (lambda w: w.account.mailboxes.connect([mailbox()], notify=["MAILS"]), "did you mean 'MAIL'"),
    "notification alone": (lambda w: w.account.mailboxes.connect([mailbox()], notify="MAIL"), "notify must be a list"),
    "no batch": (lambda w: w.account.mailboxes.connection("5"), "batch_id must be an integer >= 1"),
    "batch 0": (lambda w: w.account.mailboxes.wait_connected(0), "batch_id must be an integer >= 1"),
    "no deadline": (lambda w: w.account.mailboxes.wait_connected(5, deadline=0), "more than 0 seconds"),
    "mailbox 0": (lambda w: w.account.mailboxes.get(0), "mailbox_id must be"),
    "footer 7": (lambda w: w.account.mailboxes.set_footer(5, 7), "footer must be a str or None"),
    "smtp True": (lambda w: w.account.mailboxes.set_footer(True, ""), "smtp_id must be"),
    "no accounts": (lambda w: w.account.mailboxes.microsoft.connect([]), "accounts must not be empty"),
    "no address": (lambda w: w.account.mailboxes.microsoft.connect([{"mailbox_email": "a"}]), r"accounts\[0\].mailbox"),
    "blank name": (
        lambda w: w.account.mailboxes.microsoft.connect([{"mailbox_email": "a@b.c", "display_name": ""}]),
        r"accounts\[0\].display_name is empty",
    ),
    "credential x": (
        lambda w: w.account.mailboxes.microsoft.connect([{"mailbox_email": "a@b.c"}], credential_id="x"),
        "credential_id must be",
    ),
    "no credential": (lambda w: w.account.mailboxes.microsoft.credentials.delete(None), "credential_id must be"),
}


async def test_bad_input_is_refused_before_anything_is_sent() -> None:
    async with WoodpeckerSession("1.key", base_url="http://127.0.0.1:9/rest") as woodpecker:
        for name, (call, message) in REFUSED.items():
            with pytest.raises(errors.ConfigError, match=message):
                await call(woodpecker)
                pytest.fail(name)


async def test_as_many_as_the_api_takes_go_at_once(box: Sandbox, woodpecker: WoodpeckerSession) -> None:
    batch = await woodpecker.account.mailboxes.connect(mailbox(smtp_email=f"{n}@b.c") for n in range(200))
    assert (await woodpecker.account.mailboxes.connection(batch.batch_id)).batch_size == 200
    assert len(box.journal) == 2


async def test_the_list_is_of_mailboxes(woodpecker: WoodpeckerSession) -> None:
    assert all(isinstance(one, Mailbox) for one in await woodpecker.account.mailboxes.list())
