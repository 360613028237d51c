"""Searches over several processes."""

from tests.scenarios.server import STARTED
from tests.scenarios.steps import Person, request

__all__ = ["indexed"]


async def indexed(person: Person) -> None:
    """Everything committed so far can be found by everybody.

    A process feeds the index of searches with what it committed itself, a quarter of a second later at most.
    Asked for a search it does so first, but the next search may be answered by another one.
    """
    (server,) = [server for server in STARTED if server.url == person.url]
    for url, service in server.services.items():
        if service == "chat-service":
            (await request(url, "GET", "/v1/messages/search?query=nothing", token=person.access)).ok()
