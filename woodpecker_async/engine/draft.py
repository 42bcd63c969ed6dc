"""Classes for objects that are still being made."""

from typing import Any

from woodpecker_async._sealed import unsealed


def draft_of(model: type, **more: Any) -> type:
    """A class whose objects become the model's when they are given its class (`one.__class__ = model`).

    A model is frozen, and its keys may be sealed: what is set goes through Python. In a draft it does not.

    Args:
        model: an attrs class with slots.
        more: what else stands in the class.
    """
    thawed = {"__setattr__": object.__setattr__, "__delattr__": object.__delattr__}
    return type(model.__name__, (unsealed(model),), {"__slots__": (), **thawed, **more})
