"""Faults to inject: which requests they strike, at which stage, and what they do.

A request passes three stages: its *arrival*, before it queues; *before_commit*, when its turn has come but nothing has
changed yet; and *after_commit*, when its work is done and its response is ready. A fault strikes at one of them.

All faults are in this one module, most of which is one class method for each.
"""

import json
import re
import threading
from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal

from attrs import define, evolve, field, frozen

from woodpecker_async.sandbox import draw, wire
from woodpecker_async.sandbox.wire import Answer, RequestInfo

Moment = Literal["arrival", "before_commit", "after_commit"]
Rewrite = Callable[[RequestInfo, Answer], Answer]
Edit = Callable[[RequestInfo], RequestInfo]
Reply = Answer | Callable[[RequestInfo], Answer]

_MOMENTS = ("arrival", "before_commit", "after_commit")
_NOTHING = Answer(hang_up=True)
_DOCUMENTED: Any = object()


@frozen(kw_only=True)
class When:
    """Which requests a fault strikes. Omitted fields match everything.

    Attributes:
        method: ``GET``, ``POST``, ...
        path: the path after ``/rest``: a string must match completely, a compiled pattern is searched for.
        company: the company named in the path or in ``x-company-id``.
        page: the requested page (a request without ``page`` asks for the first).
        skip: let this many matching requests pass first.
        times: strike at most this many times; None for no limit.
        probability: the probability of striking each time, drawn from the script's seed.
    """

    method: str | None = None
    path: str | re.Pattern[str] | None = None
    company: int | None = None
    page: int | None = None
    skip: int = 0
    times: int | None = 1
    probability: float = 1.0

    def matches(self, info: RequestInfo) -> bool:
        """Whether the request matches, regardless of `skip`, `times` and `probability`."""
        if isinstance(self.path, re.Pattern):
            path_fits = self.path.search(info.resource) is not None
        else:
            path_fits = self.path in {None, info.resource}
        return (
            path_fits
            and self.method in {None, info.method}
            and self.company in {None, info.company_id}
            and self.page in {None, wire.whole_number(info.query.get("page", "1"))}
        )


@frozen(kw_only=True)
class Fault:
    """One thing that goes wrong. The class methods make the common ones.

    Each of them takes the fields of `When` as keyword arguments:
    ``Fault.status(500, method="POST", times=3)``.

    Attributes:
        when: which requests it strikes.
        hang_up: close the connection at this stage; the request is still processed unless there is an ``answer``.
        delay: then wait this many seconds.
        answer: then end the request with this response (or the one this function returns); before the commit, this
            means that nothing is done.
        rewrite: edits the response (after the commit only).
        edit: edits the request before it is processed (at arrival only).
        at: the stage; by default the only possible one, or else before the commit.
    """

    when: When = When()
    hang_up: bool = False
    delay: float = 0.0
    answer: Reply | None = None
    rewrite: Rewrite | None = None
    edit: Edit | None = None
    at: Moment = field()

    @at.default
    def _only_fitting(self) -> Moment:
        if self.rewrite is not None:
            return "after_commit"
        return "arrival" if self.edit is not None else "before_commit"

    def __attrs_post_init__(self) -> None:
        if self.at not in _MOMENTS:
            raise ValueError(f"at must be one of {', '.join(_MOMENTS)}, not {self.at!r}")
        if self.rewrite is not None and self.at != "after_commit":
            raise ValueError("rewrite works only with at='after_commit'")
        if self.edit is not None and self.at != "arrival":
            raise ValueError("edit works only with at='arrival'")

    def reply(self, info: RequestInfo) -> Answer | None:
        """The response that ends the request here, if any."""
        return self.answer(info) if callable(self.answer) else self.answer

    @classmethod
    def named(cls, text: str) -> "Fault":
        """Make a fault from a text such as ``status 503 method=POST times=2``.

        The text is the name of one of these class methods and its arguments, in order or as ``name=value``, split as
        by a shell. ``path~REGEX`` searches the path, ``times=always`` means no limit.

        Raises:
            ValueError: there is no such fault, or its arguments are invalid.
        """
        from woodpecker_async.sandbox.named import parse  # noqa: PLC0415 - it imports this module

        return parse(text)

    @classmethod
    def status(
        cls,
        status: int,
        *,
        body: Any = _DOCUMENTED,
        headers: Mapping[str, str] | None = None,
        at: Moment = "before_commit",
        **when: Any,
    ) -> "Fault":
        """Respond with a status, and with its documented body, another body, or (``body=None``) no body.

        A ``str`` or ``bytes`` is sent unchanged, anything else as JSON.
        """
        return cls(when=When(**when), at=at, answer=_said(status, body, headers or {}))

    @classmethod
    def commit_then(
        cls, status: int, *, body: Any = _DOCUMENTED, headers: Mapping[str, str] | None = None, **when: Any
    ) -> "Fault":
        """Process the request, then respond with a status as if it had failed."""
        return cls.status(status, body=body, headers=headers, at="after_commit", **when)

    @classmethod
    def v1_error(cls, code: str, message: str = "", *, status: int = 200, **when: Any) -> "Fault":
        """Respond with the error envelope of v1, which may have status 200; nothing is done."""
        return cls(when=When(**when), at="before_commit", answer=wire.v1_error(code, message, status))

    @classmethod
    def wait(cls, seconds: float, *, at: Moment = "before_commit", **when: Any) -> "Fault":
        """Be slow: before the queue, in it (delaying the other requests), or before sending the response."""
        return cls(when=When(**when), at=at, delay=seconds)

    @classmethod
    def close(cls, *, at: Moment = "before_commit", **when: Any) -> "Fault":
        """Close the connection without a response; after the commit, the request has been processed."""
        return cls(when=When(**when), at=at, answer=_NOTHING)

    @classmethod
    def down(cls, **when: Any) -> "Fault":
        """Be down: close every connection, forever unless ``times`` is given; nothing is done."""
        when.setdefault("times", None)
        return cls.close(at="arrival", **when)

    @classmethod
    def late_commit(cls, seconds: float, **when: Any) -> "Fault":
        """Close the connection at once, and process the request no earlier than this many seconds later."""
        return cls(when=When(**when), at="arrival", hang_up=True, delay=seconds)

    @classmethod
    def half_body(cls, **when: Any) -> "Fault":
        """Announce the whole body but close the connection halfway; the request is processed."""
        return cls._rewriting(lambda _, answer: evolve(answer, cut_after=len(answer.body or b"") // 2), when)

    @classmethod
    def html(cls, status: int = 200, *, at: Moment = "before_commit", **when: Any) -> "Fault":
        """Respond with a web page, as a proxy in front of the server would."""
        page = f"<!doctype html><html><body><h1>{status}</h1></body></html>"
        return cls.status(status, body=page, headers={"Content-Type": "text/html"}, at=at, **when)

    @classmethod
    def body(cls, body: Any, *, status: int | None = None, **when: Any) -> "Fault":
        """Process the request, and respond with another body (``bytes``, ``str`` or JSON) and maybe another status."""

        def replaced(_: RequestInfo, answer: Answer) -> Answer:
            return evolve(answer, body=_encoded(body), status=status or answer.status)

        return cls._rewriting(replaced, when)

    @classmethod
    def not_json(cls, **when: Any) -> "Fault":
        """Process the request, and respond with something that claims to be JSON but is not."""
        return cls.body("OK", **when)

    @classmethod
    def truncated_json(cls, **when: Any) -> "Fault":
        """Process the request, and respond with the first half of the JSON and a matching content length."""
        return cls._rewriting(
            lambda _, answer: evolve(answer, body=(answer.body or b"")[: len(answer.body or b"") // 2]), when
        )

    @classmethod
    def null_api_key(cls, **when: Any) -> "Fault":
        """Respond with null in place of the secrets."""
        return cls._rewriting(lambda _, answer: answer.with_json(_without_keys(answer.json())), when)

    @classmethod
    def same_page(cls, **when: Any) -> "Fault":
        """Ignore ``page``: respond with the first page, forever unless ``times`` is given."""
        when.setdefault("times", None)
        return cls(when=When(**when), at="arrival", edit=_first_page)

    @classmethod
    def stuck_page_number(cls, number: int = 1, **when: Any) -> "Fault":
        """Send the right content with a page number that does not advance."""
        return cls._paging(when, current_page_number=number)

    @classmethod
    def empty_page(cls, page: int = 2, **when: Any) -> "Fault":
        """Send a page in the middle without content, but with its usual pagination data."""
        when.setdefault("times", None)
        return cls._rewriting(_emptied, {**when, "page": page})

    @classmethod
    def growing_total_pages(cls, *, new_items: bool = False, **when: Any) -> "Fault":
        """Announce one more page with every page; past the end, repeat the items or make up new ones."""
        when.setdefault("times", None)
        return cls._rewriting(_Growing(new_items=new_items), when)

    @classmethod
    def redirect(cls, url: str, status: int = 302, **when: Any) -> "Fault":
        """Redirect the client."""
        return cls.status(status, body=None, headers={"Location": url}, at="arrival", **when)

    @classmethod
    def set_cookie(cls, name: str, value: str, **when: Any) -> "Fault":
        """Add a cookie to the response."""
        return cls._rewriting(lambda _, answer: answer.with_headers(Set_Cookie=f"{name}={value}; Path=/"), when)

    @classmethod
    def rewriting(cls, rewrite: Rewrite, **when: Any) -> "Fault":
        """Process the request and let ``rewrite`` edit the response."""
        return cls._rewriting(rewrite, when)

    @classmethod
    def _rewriting(cls, rewrite: Rewrite, when: Mapping[str, Any]) -> "Fault":
        return cls(when=When(**when), at="after_commit", rewrite=rewrite)

    @classmethod
    def _paging(cls, when: dict[str, Any], **changes: int) -> "Fault":
        when.setdefault("times", None)

        def changed(_: RequestInfo, answer: Answer) -> Answer:
            data = answer.json()
            if not _is_page(data):
                return answer
            return answer.with_json({**data, "pagination_data": {**data["pagination_data"], **changes}})

        return cls._rewriting(changed, when)


@define
class _Entry:
    fault: Fault
    seen: int = 0
    hits: int = 0


@define
class FaultScript:
    """The faults to inject, in the order in which they were added.

    Safe to use from threads other than the server's.
    """

    seed: int = 0
    _entries: list[_Entry] = field(init=False, factory=list)
    _draws: int = field(init=False, default=0)
    _lock: threading.Lock = field(init=False, factory=threading.Lock, repr=False)

    def add(self, *faults: Fault | str) -> None:
        """Add faults, or texts for `Fault.named`. If two match, the one added first strikes first.

        Raises:
            ValueError: a text is not a valid fault. Then none of them is added.
        """
        entries = [_Entry(Fault.named(fault) if isinstance(fault, str) else fault) for fault in faults]
        with self._lock:
            self._entries.extend(entries)

    def clear(self, *, keep: Collection[Fault] = ()) -> None:
        """Remove all faults except those to keep."""
        kept = {id(fault) for fault in keep}
        with self._lock:
            self._entries = [entry for entry in self._entries if id(entry.fault) in kept]

    def hits(self, fault: Fault) -> int:
        """How often a fault has struck since it was added."""
        with self._lock:
            return sum(entry.hits for entry in self._entries if entry.fault is fault)

    def strike(self, moment: Moment, info: RequestInfo) -> list[Fault]:
        """The faults that strike this request at this stage, in order.

        The first fault that ends the request is the last one returned; those after it wait for the next request.
        """
        struck = []
        with self._lock:
            for entry in self._entries:
                if entry.fault.at == moment and self._is_hit(entry, info):
                    struck.append(entry.fault)
                    if entry.fault.answer is not None:
                        break
        return struck

    def _is_hit(self, entry: _Entry, info: RequestInfo) -> bool:
        when = entry.fault.when
        if not when.matches(info) or (when.times is not None and entry.hits >= when.times):
            return False
        entry.seen += 1
        if entry.seen <= when.skip:
            return False
        if when.probability < 1.0:
            self._draws += 1
            if draw.fraction(self.seed, "fault", self._draws) >= when.probability:
                return False
        entry.hits += 1
        return True


@define(kw_only=True)
class _Growing:
    """Makes up endless pages; remembers the last real items to make up more."""

    new_items: bool
    _last: dict[str, list[Any]] = field(init=False, factory=dict)

    def __call__(self, info: RequestInfo, answer: Answer) -> Answer:
        data = answer.json()
        if not _is_page(data):
            return answer
        paging = data["pagination_data"]
        page = paging["current_page_number"]
        content = data["content"]
        if content:
            self._last[info.path] = content
        else:
            content = self._last.get(info.path, [])
            if self.new_items:
                content = [_another(item, page) for item in content]
        paging = {**paging, "total_pages": max(paging["total_pages"], page + 1)}
        return answer.with_json({"content": content, "pagination_data": paging})


def _another(item: dict[str, Any], page: int) -> dict[str, Any]:
    changed = dict(item)
    if "id" in item:
        changed |= {"id": item["id"] + page * 10_000_000, "name": f"{item['name']} ({page})"}
    if "api_key" in item:
        changed["api_key"] = f"{item['api_key']}p{page}"
    return changed


def _is_page(data: Any) -> bool:
    return isinstance(data, dict) and "pagination_data" in data


def _emptied(_: RequestInfo, answer: Answer) -> Answer:
    data = answer.json()
    return answer.with_json({**data, "content": []}) if _is_page(data) else answer


def _first_page(info: RequestInfo) -> RequestInfo:
    return evolve(info, query={name: value for name, value in info.query.items() if name != "page"})


def _without_keys(data: Any) -> Any:
    if isinstance(data, dict):
        return {name: None if name == "api_key" else _without_keys(value) for name, value in data.items()}
    return [_without_keys(item) for item in data] if isinstance(data, list) else data


def _encoded(body: Any) -> bytes | None:
    if body is None or isinstance(body, bytes):
        return body
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()


def _said(status: int, body: Any, headers: Mapping[str, str]) -> Reply:
    if body is _DOCUMENTED:

        def documented(info: RequestInfo) -> Answer:
            # Built for each request: the texts depend on the path, and the timestamp is the response's.
            answer = wire.documented(status, info.path)
            return evolve(answer, headers={**answer.headers, **headers})

        return documented
    kind = {} if body is None else {"Content-Type": "application/json"}
    return Answer(status=status, body=_encoded(body), headers={**kind, **headers})
