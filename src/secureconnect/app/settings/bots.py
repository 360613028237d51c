"""Settings of bots."""

from typing import Annotated

from secureconnect.kit.settings import Section, about

__all__ = ["BotSettings"]


class BotSettings(Section, frozen=True):
    """Programs with tokens of their own. Webhooks are not meant."""

    enabled: Annotated[
        bool, about("`false` lets nobody make bots and refuses the tokens of existing ones")
    ] = True
    max_per_user: Annotated[int, about("bots of one user", ge=0, le=10_000)] = 20
