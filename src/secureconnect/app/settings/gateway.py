"""The section about the gateway."""

from typing import Annotated

from secureconnect.kit.settings import Section, about

__all__ = ["GatewaySettings"]

Urls = tuple[str, ...]


class GatewaySettings(Section, frozen=True):
    """Where the gateway finds the processes of each role, one URL per process."""

    auth_url: Annotated[Urls, about("processes of the role auth: `http(s)://host:port`")] = (
        "http://127.0.0.1:8081",
    )
    chat_url: Annotated[Urls, about("processes of the role chat")] = ("http://127.0.0.1:8082",)
    video_url: Annotated[
        Urls, about("processes of the role video; all requests about one call go to one of them")
    ] = ("http://127.0.0.1:8083",)
    storage_url: Annotated[Urls, about("processes of the role storage")] = ("http://127.0.0.1:8084",)
    connect_timeout: Annotated[float, about("longest wait for a connection", unit="s", gt=0, le=60)] = 5
    response_timeout: Annotated[
        float,
        about("longest wait for the beginning of an answer, and silence within it", unit="s", gt=0, le=600),
    ] = 30
    max_in_flight: Annotated[
        int,
        about("requests that each process is given at a time; as many wait up to 1 s, others get 503", ge=1),
    ] = 1024

    def urls(self, role: str) -> Urls:
        """Of the processes of `role`."""
        found: Urls = getattr(self, f"{role}_url")
        return found
