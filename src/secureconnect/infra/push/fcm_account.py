"""The service account that Firebase knows us by."""

from typing import Annotated, Literal

import msgspec

from secureconnect.infra.push.pem import read_rsa

__all__ = ["FcmAccount", "read_account"]

_TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address

_Text = Annotated[str, msgspec.Meta(min_length=1)]


class FcmAccount(msgspec.Struct, frozen=True):
    """The JSON file that the Firebase console gives."""

    type: Literal["service_account"]
    project_id: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9:.-]+$")]
    private_key_id: _Text
    private_key: _Text
    client_email: _Text
    token_uri: Annotated[str, msgspec.Meta(pattern="^https://")] = _TOKEN_URI

    def __repr__(self) -> str:
        return f"FcmAccount({self.client_email!r})"


def read_account(text: str) -> FcmAccount:
    """The account in `text`.

    Raises:
        ValueError: it is not the JSON of a service account with an RSA key.
    """
    try:
        account = msgspec.json.decode(text, type=FcmAccount)
    except msgspec.DecodeError as error:  # which a ValidationError is too; neither says a value
        raise ValueError("is not the JSON of a service account") from error
    read_rsa(account.private_key)
    return account
