"""A name that a session or a view does not have is told where it is."""

import copy
import re

import pytest

from woodpecker_async import WoodpeckerSession

woodpecker = WoodpeckerSession("1.key")
OWNERS = {
    "woodpecker": woodpecker,
    "woodpecker.agency": woodpecker.agency,
    "woodpecker.account": woodpecker.account,
    "woodpecker.company(company_id)": woodpecker.company(3),
}
NAMES = sorted({name for owner in OWNERS.values() for name in dir(owner) if not name.startswith("_")})
MISSING = [(owner, name) for owner in OWNERS for name in NAMES if name not in dir(OWNERS[owner])]


@pytest.mark.parametrize(("owner", "name"), MISSING)
def test_every_place_that_is_named_has_it(owner: str, name: str) -> None:
    with pytest.raises(AttributeError) as caught:
        getattr(OWNERS[owner], name)
    text = str(caught.value)
    assert text.startswith(f"{type(OWNERS[owner]).__name__!r} object has no attribute {name!r}")
    named = set(re.findall(r"(woodpecker\S*)\.", text.partition(": it is ")[2]))
    views = {place: view for place, view in OWNERS.items() if place != "woodpecker"}
    assert named == {place for place, view in views.items() if hasattr(type(view), name)}
    assert owner not in named


@pytest.mark.parametrize("owner", OWNERS)
@pytest.mark.parametrize("name", ["compnies", "_companies", "__fspath__", "_engine_"])
def test_other_names_are_told_nothing(owner: str, name: str) -> None:
    with pytest.raises(AttributeError, match=rf"object has no attribute '{name}'$"):
        getattr(OWNERS[owner], name)
    assert not hasattr(OWNERS[owner], name)


def test_a_session_that_was_not_made_can_be_shown_and_copied() -> None:
    bare = WoodpeckerSession.__new__(WoodpeckerSession)
    assert repr(bare) == "<WoodpeckerSession not made>"
    assert isinstance(copy.copy(woodpecker.account), type(woodpecker.account))
