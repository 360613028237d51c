"""Single sign-on in the settings: the providers, and what is wrong with them."""

from collections.abc import Iterator, Sequence
from typing import Annotated
from urllib.parse import urlsplit

from secureconnect.infra.openid.addresses import is_trusted_url
from secureconnect.kit.settings import Section, about

__all__ = ["OidcProvider", "sign_on_faults"]


class OidcProvider(Section, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A provider of single sign-on. Accounts are linked to its `id`: another issuer needs another one."""

    id: Annotated[
        str,
        about(
            "name in paths and in the database",
            pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$",
            form="1 to 32 of a-z, 0-9, _ and -",
        ),
    ]
    name: Annotated[str, about("name on buttons", min_length=1)]
    issuer: Annotated[str, about("its address, exactly as it writes it itself", min_length=1)]
    client_id: Annotated[str, about("how it knows this server", min_length=1)]
    client_secret: Annotated[
        str, about("what this server proves itself with; empty for a public client", secret=True)
    ] = ""
    scopes: Annotated[tuple[str, ...], about("what it is asked to tell, besides `openid`")] = (
        "openid",
        "profile",
        "email",
    )


def sign_on_faults(
    providers: Sequence[OidcProvider], redirect_uris: Sequence[str], *, development: bool
) -> Iterator[tuple[str, str]]:
    """`section.key` and what is wrong with it."""
    name = "auth.oidc_providers"
    seen: set[str] = set()
    for provider in providers:
        if provider.id in seen:
            yield name, f"there are two with the id {provider.id}"
        seen.add(provider.id)
        if not is_trusted_url(provider.issuer, allow_http=development) or urlsplit(provider.issuer).query:
            yield name, f"the issuer of {provider.id} must be https://host[:port][/path]"
    name = "auth.oidc_redirect_uris"
    if providers and not redirect_uris:
        yield name, "is needed with auth.oidc_providers: nobody could come back"
    for uri in redirect_uris:
        if not _leads_to_an_application(uri, development=development):
            yield name, f"{uri!r} is neither an https address nor one of a scheme of an app, without fragment"


def _leads_to_an_application(uri: str, *, development: bool) -> bool:
    """A web page, or an app whose scheme is a domain name turned around (RFC 8252, §7.1)."""
    if not uri.isascii() or any(char <= " " for char in uri) or "#" in uri:
        return False
    scheme = uri.partition(":")[0]
    return is_trusted_url(uri, allow_http=development) or ("." in scheme and urlsplit(uri).scheme == scheme)
