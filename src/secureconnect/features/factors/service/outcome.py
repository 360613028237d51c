"""Refusals that leave something behind."""

from typing import TypeVar

from secureconnect.kit.errors import ApiError

__all__ = ["settled"]

T = TypeVar("T")


def settled(outcome: T | ApiError) -> T:
    """What a unit of work came to. It returns a refusal whose traces must stay (a counted failure, a used
    challenge), and raises one that must leave none; here both are raised."""
    if isinstance(outcome, ApiError):
        raise outcome
    return outcome
