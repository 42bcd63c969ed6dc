"""The request bodies of campaigns and their steps, checked before any I/O."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import attrs

from woodpecker_async import checks
from woodpecker_async.errors import ConfigError
from woodpecker_async.models.campaigns import (
    CampaignSettings,
    CampaignStep,
    CatchAllMode,
    DelayRange,
    FollowupDelay,
    MailProvider,
    NewCampaign,
    NewStep,
    NewVersion,
    PausingStatus,
    StepSignature,
    StepType,
    Weekday,
)

_MOST_STEPS: Final = 16
_MOST_VERSIONS: Final = 5
_MOST_WINDOWS: Final = 3
_MOST_ENROLLED: Final = 500
_SENDING: Final = (StepType.EMAIL, StepType.LINKEDIN)
_CLOCK: Final = re.compile(r"([01]\d|2[0-3]):[0-5]\d", re.ASCII)

Body = dict[str, Any]


def campaign(given: object) -> Body:
    """Return the body of a new campaign.

    Raises:
        ConfigError: it is invalid.
    """
    new = checks.model("campaign", given, NewCampaign)
    steps = _steps(new.steps)
    writes = any(one["type"] == StepType.EMAIL for one in steps)
    following: Body | None = None
    for one in reversed(steps):
        following = {**one, "followup": following}
    return {
        "name": checks.text(new.name, "campaign.name"),
        "email_account_ids": mailboxes(new.email_account_ids)
        if writes or new.email_account_ids not in ((), [])
        else [],
        "settings": settings(new.settings),
        "steps": {"type": "START", "followup": following},
    }


def campaign_id(given: object) -> int:
    """Check the id of a campaign.

    Raises:
        ConfigError: it is not an integer >= 1.
    """
    return checks.integer(given, "campaign_id", 1, 2**63 - 1)


def mailboxes(given: object) -> list[int]:
    """Check the SMTP ids of at least one mailbox.

    Raises:
        ConfigError: they are invalid.
    """
    return list(checks.ids(given, "email_account_ids"))


def settings(given: object) -> Body:
    """Return the settings that are given.

    Raises:
        ConfigError: one of them is invalid.
    """
    chosen = checks.model("settings", given, CampaignSettings)
    checked: Body = {name: value for name, value in attrs.asdict(chosen, recurse=False).items() if value is not None}
    for name, value in checked.items():
        what = f"settings.{name}"
        match name:
            case "timezone":
                checks.time_zone(value, what)
            case "daily_enroll":
                checks.integer(value, what, 0, _MOST_ENROLLED)
            case "open_disabled_list":
                checked[name] = list(checks.choices(what, value, MailProvider))
            case "auto_pause_prospect_from_domain_statuses":
                checked[name] = list(checks.choices(what, value, PausingStatus))
            case "catch_all_verification_mode":
                checked[name] = checks.choice(what, value, CatchAllMode)
            case _:
                checks.boolean(value, what)
    return checked


def _steps(given: object) -> list[Body]:
    if isinstance(given, Mapping):  # as the server returns it: each step is nested in the previous one
        given = _chain(given)
    if isinstance(given, str | bytes | NewStep) or not isinstance(given, Iterable):
        raise ConfigError("steps must be a list, each entry a NewStep or a mapping of its fields")
    checked = [step(one, f"steps[{index}]") for index, one in enumerate(given)]
    if not 1 <= len(checked) <= _MOST_STEPS:
        raise ConfigError(f"a campaign must have 1 to {_MOST_STEPS} steps after its start, not {len(checked)}")
    return checked


def _chain(first: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the steps of a chain, each without its followup, and without the start."""
    chain: list[Any] = []
    following: Any = first
    while isinstance(following, Mapping) and len(chain) <= _MOST_STEPS + 1:
        chain.append(following)
        following = following.get("followup")
    if following is not None and not isinstance(following, Mapping):
        raise ConfigError(f"the followup of a step must be a mapping or None, not {type(following).__name__}")
    return [_without(one, "followup") for one in chain if one.get("type") != StepType.START]


def step(given: object, what: str = "step") -> Body:
    """Return the body of a new step, without its followup.

    Args:
        given: a `NewStep`, a mapping of its fields, or a step in the form of the API's responses.
        what: its name in errors.

    Raises:
        ConfigError: it is invalid.
    """
    if isinstance(given, Mapping) and given.get("followup") is not None:
        raise ConfigError(f"{what} has a followup: give a list of steps, each without a followup")
    new = checks.model(what, _as_new(given), NewStep)
    kind = checks.choice(f"{what}.type", new.type, StepType)
    if kind not in _SENDING:
        raise ConfigError(f"{what}.type must be one of 'EMAIL', 'LINKEDIN': the SDK adds the {kind} step itself")
    is_email = kind == StepType.EMAIL
    if is_email and (new.action_type is not None or new.linkedin_account_id is not None):
        raise ConfigError(f"{what} is an e-mail: action_type and linkedin_account_id are for steps of type 'LINKEDIN'")
    body: Body = {}
    if versions := _versions(new.versions, f"{what}.versions", is_email=is_email):
        body["versions"] = versions
    if new.action_type is not None:
        body["action_type"] = checks.text(new.action_type, f"{what}.action_type")
    if new.linkedin_account_id is not None:
        body["linkedin_account_id"] = checks.integer(new.linkedin_account_id, f"{what}.linkedin_account_id", 1)
    checked: Body = {"type": kind, "body": body}
    if new.delivery_time is not None:
        checked["delivery_time"] = delivery_time(new.delivery_time, f"{what}.delivery_time")
    if new.followup_after is not None:
        delay = checks.model(f"{what}.followup_after", new.followup_after, FollowupDelay)
        checked["followup_after"] = {
            "range": checks.choice(f"{what}.followup_after.range", delay.range, DelayRange),
            "value": checks.integer(delay.value, f"{what}.followup_after.value", 1),
        }
    return checked


def _as_new(given: object) -> object:
    """Turn a step of a response, or one in that form, into a new one: without ids and without its followup."""
    if isinstance(given, CampaignStep):
        given = attrs.asdict(given, filter=lambda attribute, _: attribute.name != "followup")
    if not isinstance(given, Mapping) or not isinstance(body := given.get("body"), Mapping | None):
        return given
    new = _without({**given, **(body or {})}, "id", "body")
    if isinstance(versions := new.get("versions"), list | tuple):
        new["versions"] = [_without(version, "id", "version") for version in versions]
    return new


def _without(given: Any, *names: str) -> Any:
    """Return a mapping without some of its fields, and without those that are null."""
    if not isinstance(given, Mapping):
        return given
    return {name: value for name, value in given.items() if name not in names and value is not None}


def _versions(given: object, what: str, *, is_email: bool) -> list[Body]:
    if not is_email and given in ((), []):
        return []
    return [
        _version(version, f"{what}[{index}]", is_email=is_email)
        for index, version in enumerate(checks.models(what, given, NewVersion, most=_MOST_VERSIONS))
    ]


def _version(new: NewVersion, what: str, *, is_email: bool) -> Body:
    checked = version(
        what, subject=new.subject, message=new.message, signature=new.signature, track_opens=new.track_opens
    )
    if is_email and not new.message.strip():
        raise ConfigError(f"{what}.message is empty")
    return checked if is_email else {name: value for name, value in checked.items() if value != "" or name == "message"}


def version(what: str = "", **given: object) -> Body:
    """Return the fields of a step's version that are not `None`.

    Raises:
        ConfigError: one of them is invalid.
    """
    checked: Body = {}
    for name, value in given.items():
        called = f"{what}.{name}" if what else name
        if value is None:
            continue
        if name == "signature":
            checked[name] = checks.choice(called, value, StepSignature)
        elif name == "track_opens":
            checked[name] = checks.boolean(value, called)
        else:
            checked[name] = checks.content(value, called)
    return checked


def delivery_time(given: object, what: str = "delivery_time") -> Body:
    """Return when a step sends: windows for at least one day.

    Raises:
        ConfigError: they are invalid.
    """
    if not isinstance(given, Mapping) or not given:
        raise ConfigError(
            f'{what} must be a mapping of at least one day of the week to windows, like {{"MONDAY": [("08:00", '
            f'"18:00")]}}, not {given!r}'
        )
    return {
        checks.choice(f"a day of {what}", day, Weekday): _windows(windows, f"{what}[{str(day)!r}]")
        for day, windows in given.items()
    }


def _windows(given: object, what: str) -> list[Body]:
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
        raise ConfigError(f'{what} must be a list of windows, like [("08:00", "18:00")]')
    windows = [_window(window, what) for window in given]
    if not 1 <= len(windows) <= _MOST_WINDOWS:
        raise ConfigError(f"{what} must have 1 to {_MOST_WINDOWS} windows, not {len(windows)}")
    return windows


def _window(given: object, what: str) -> Body:
    if isinstance(given, Mapping) and given.keys() == {"from", "to"}:
        given = (given["from"], given["to"])
    if not isinstance(given, list | tuple) or len(given) != 2:
        raise ConfigError(f'a window of {what} must be a pair like ("08:00", "18:00"), not {given!r}')
    for moment in given:
        if not isinstance(moment, str) or not _CLOCK.fullmatch(moment):
            raise ConfigError(
                f'a window of {what} must begin and end at a time "HH:mm", from 00:00 to 23:59, not {moment!r}'
            )
    start, end = given
    if start >= end:
        raise ConfigError(f"a window of {what} must end after it begins: {start} to {end}")
    return {"from": start, "to": end}
