"""Faults to order: when they strike, at which moment, and what they do.

A request passes three moments: its *arrival*, before it queues; *before_commit*, when its turn has come but
nothing has changed yet; and *after_commit*, when its work is done and its answer is ready. A fault strikes
at one of them.

All faults are in one module: most of it is one class method each.
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
    """Which requests a fault strikes; what is left out matches everything.

    Attributes:
        method: ``GET``, ``POST``, ...
        path: the path after ``/rest``: a string is the whole path, a compiled pattern is searched for.
        company: the company named in the path or in ``x-company-id``.
        page: the page asked for (a request without ``page`` asks for the first).
        skip: let so many matching requests pass first.
        times: strike at most so often; None for always.
        probability: strike only so often, by chance that follows from the script's seed.
    """

    method: str | None = None
    path: str | re.Pattern[str] | None = None
    company: int | None = None
    page: int | None = None
    skip: int = 0
    times: int | None = 1
    probability: float = 1.0

    def matches(self, info: RequestInfo) -> bool:
        """Whether the request is one of those meant, however often it may strike."""
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
    """One thing that goes wrong. The class methods name the usual ones.

    Every one of those takes the fields of `When` as keyword arguments:
    ``Fault.status(500, method="POST", times=3)``.

    Attributes:
        when: which requests are struck.
        hang_up: close the connection at that moment; the work goes on unless there is an ``answer``.
        delay: then wait so many seconds.
        answer: then end here with this answer (or the one it makes); before the commit, nothing is done.
        rewrite: edits the answer which the work gave (after the commit only).
        edit: edits the request before it is worked on (at arrival only).
        at: the moment; by default the only one that fits, or else before the commit.
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
            raise ValueError(f"at must be one of {', '.join(_MOMENTS)}, and is {self.at!r}")
        if self.rewrite is not None and self.at != "after_commit":
            raise ValueError("an answer can be rewritten only after the commit")
        if self.edit is not None and self.at != "arrival":
            raise ValueError("a request can be edited only at its arrival")

    def reply(self, info: RequestInfo) -> Answer | None:
        """The answer that ends the request here, if any."""
        return self.answer(info) if callable(self.answer) else self.answer

    @classmethod
    def named(cls, text: str) -> "Fault":
        """The fault that a text names, such as ``status 503 method=POST times=2``.

        First the name of one of these class methods, then its arguments, in order or as ``name=value``, as a shell
        would split them. ``path~REGEX`` searches the path, ``times=always`` sets no limit.

        Raises:
            ValueError: it names none, or its arguments do not fit.
        """
        from woodpecker_async.sandbox.named import parse  # noqa: PLC0415 - which reads this class

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
        """Answer with a status: with its documented body, with another, or (``body=None``) with none.

        A ``str`` or ``bytes`` is sent as it is, anything else as JSON.
        """
        return cls(when=When(**when), at=at, answer=_said(status, body, headers or {}))

    @classmethod
    def commit_then(
        cls, status: int, *, body: Any = _DOCUMENTED, headers: Mapping[str, str] | None = None, **when: Any
    ) -> "Fault":
        """Do the work, then answer with a status as if it had failed."""
        return cls.status(status, body=body, headers=headers, at="after_commit", **when)

    @classmethod
    def v1_error(cls, code: str, message: str = "", *, status: int = 200, **when: Any) -> "Fault":
        """The error envelope of v1, which may come with status 200; nothing is done."""
        return cls(when=When(**when), at="before_commit", answer=wire.v1_error(code, message, status))

    @classmethod
    def wait(cls, seconds: float, *, at: Moment = "before_commit", **when: Any) -> "Fault":
        """Be slow: before the queue, in it (keeping the others waiting), or with the answer."""
        return cls(when=When(**when), at=at, delay=seconds)

    @classmethod
    def close(cls, *, at: Moment = "before_commit", **when: Any) -> "Fault":
        """Close the connection without an answer; after the commit the work is done all the same."""
        return cls(when=When(**when), at=at, answer=_NOTHING)

    @classmethod
    def down(cls, **when: Any) -> "Fault":
        """Be down: close every connection, for ever unless ``times`` is given; nothing is done."""
        when.setdefault("times", None)
        return cls.close(at="arrival", **when)

    @classmethod
    def late_commit(cls, seconds: float, **when: Any) -> "Fault":
        """Close the connection at once and do the work so many seconds later, at the earliest."""
        return cls(when=When(**when), at="arrival", hang_up=True, delay=seconds)

    @classmethod
    def half_body(cls, **when: Any) -> "Fault":
        """Promise the whole body and close the connection half-way; the work is done."""
        return cls._rewriting(lambda _, answer: evolve(answer, cut_after=len(answer.body or b"") // 2), when)

    @classmethod
    def html(cls, status: int = 200, *, at: Moment = "before_commit", **when: Any) -> "Fault":
        """Answer with a web page, as a proxy in front would."""
        page = f"<!doctype html><html><body><h1>{status}</h1></body></html>"
        return cls.status(status, body=page, headers={"Content-Type": "text/html"}, at=at, **when)

    @classmethod
    def body(cls, body: Any, *, status: int | None = None, **when: Any) -> "Fault":
        """Do the work and answer with another body (``bytes``, ``str`` or JSON), perhaps another status."""

        def replaced(_: RequestInfo, answer: Answer) -> Answer:
            return evolve(answer, body=_encoded(body), status=status or answer.status)

        return cls._rewriting(replaced, when)

    @classmethod
    def not_json(cls, **when: Any) -> "Fault":
        """Do the work and answer with something that is not JSON, though it says so."""
        return cls.body("OK", **when)

    @classmethod
    def truncated_json(cls, **when: Any) -> "Fault":
        """Do the work and answer with the first half of the JSON, with a length to match."""
        return cls._rewriting(
            lambda _, answer: evolve(answer, body=(answer.body or b"")[: len(answer.body or b"") // 2]), when
        )

    @classmethod
    def null_api_key(cls, **when: Any) -> "Fault":
        """Answer with null where the secrets belong."""
        return cls._rewriting(lambda _, answer: answer.with_json(_without_keys(answer.json())), when)

    @classmethod
    def same_page(cls, **when: Any) -> "Fault":
        """Ignore ``page``: answer with the first page, for ever unless ``times`` is given."""
        when.setdefault("times", None)
        return cls(when=When(**when), at="arrival", edit=_first_page)

    @classmethod
    def stuck_page_number(cls, number: int = 1, **when: Any) -> "Fault":
        """Send the right content under a page number that does not advance."""
        return cls._paging(when, current_page_number=number)

    @classmethod
    def empty_page(cls, page: int = 2, **when: Any) -> "Fault":
        """Send a page in the middle without content, its pagination data unchanged."""
        when.setdefault("times", None)
        return cls._rewriting(_emptied, {**when, "page": page})

    @classmethod
    def growing_total_pages(cls, *, new_items: bool = False, **when: Any) -> "Fault":
        """Claim one page more with every page; beyond the end repeat the items, or make up new ones."""
        when.setdefault("times", None)
        return cls._rewriting(_Growing(new_items=new_items), when)

    @classmethod
    def redirect(cls, url: str, status: int = 302, **when: Any) -> "Fault":
        """Send the client elsewhere."""
        return cls.status(status, body=None, headers={"Location": url}, at="arrival", **when)

    @classmethod
    def set_cookie(cls, name: str, value: str, **when: Any) -> "Fault":
        """Add a cookie to the answer."""
        return cls._rewriting(lambda _, answer: answer.with_headers(Set_Cookie=f"{name}={value}; Path=/"), when)

    @classmethod
    def rewriting(cls, rewrite: Rewrite, **when: Any) -> "Fault":
        """Do the work and let ``rewrite`` edit the answer."""
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
    """The faults that are to strike, in the order they were added.

    Safe to use from another thread than the server's.
    """

    seed: int = 0
    _entries: list[_Entry] = field(init=False, factory=list)
    _draws: int = field(init=False, default=0)
    _lock: threading.Lock = field(init=False, factory=threading.Lock, repr=False)

    def add(self, *faults: Fault | str) -> None:
        """Add faults, or texts for `Fault.named`; of two that fit, the one added first strikes first.

        Raises:
            ValueError: a text names none. Then none is added.
        """
        entries = [_Entry(Fault.named(fault) if isinstance(fault, str) else fault) for fault in faults]
        with self._lock:
            self._entries.extend(entries)

    def clear(self, *, keep: Collection[Fault] = ()) -> None:
        """Let nothing go wrong any more, but for faults to keep."""
        kept = {id(fault) for fault in keep}
        with self._lock:
            self._entries = [entry for entry in self._entries if id(entry.fault) in kept]

    def hits(self, fault: Fault) -> int:
        """How often a fault has struck since it was added."""
        with self._lock:
            return sum(entry.hits for entry in self._entries if entry.fault is fault)

    def strike(self, moment: Moment, info: RequestInfo) -> list[Fault]:
        """The faults that strike this request at this moment, in order.

        The first that ends the request is the last one: those behind it wait for the next request.
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
    """Makes up pages without end; remembers the last real items to make up more."""

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
            # Made for each request: the texts depend on the path, and the timestamp is that of the answer.
            answer = wire.documented(status, info.path)
            return evolve(answer, headers={**answer.headers, **headers})

        return documented
    kind = {} if body is None else {"Content-Type": "application/json"}
    return Answer(status=status, body=_encoded(body), headers={**kind, **headers})
