"""What a profile may hold (docs/reference/rules.md §1)."""

from secureconnect.kit.errors import Detail
from secureconnect.kit.urls import is_web_url

__all__ = ["avatar_url_fault"]


def avatar_url_fault(url: str, *, allow_http: bool) -> Detail | None:
    """The fault of a URL that is not an absolute https one (`http` only in development)."""
    if is_web_url(url, allow_http=allow_http):
        return None
    return Detail("avatar_url", "must be an absolute https URL")
