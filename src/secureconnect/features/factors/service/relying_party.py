"""WebAuthn (W3C, level 2) on the side of the server; everything that comes from an authenticator is checked
here.
"""

import base64
import binascii
import json
import secrets
import uuid
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from secureconnect.features.factors import rules

__all__ = ["Refused", "Registered", "RelyingParty", "challenge_id_of", "new_challenge", "raw_id"]

_NAME: Final = "SecureConnect"
_ID_BYTES: Final = 16


class Refused(Exception):
    """What the authenticator sent is not what was asked for. The message is for logs and developers."""


class Registered(NamedTuple):
    """A new credential; `public_key` is its COSE key."""

    credential_id: bytes
    public_key: bytes
    sign_count: int


class RelyingParty:
    """Makes options for clients and verifies what their authenticators answer.

    The library behind it takes a fifth of a second and 7 MiB to load, and verifying is work: call all of this
    on a thread.

    Args:
        rp_id: the domain that credentials belong to.
        origin: scheme, host and port of the page that asks for them.
    """

    def __init__(self, rp_id: str, origin: str) -> None:
        self._rp_id = rp_id
        self._origin = origin

    def creation_options(
        self, challenge: bytes, user_id: str, name: str, display_name: str, known: Sequence[bytes]
    ) -> dict[str, Any]:
        """`PublicKeyCredentialCreationOptionsJSON`: a discoverable credential with user verification, not on
        an authenticator that holds one of `known` already. No attestation is asked for."""
        from webauthn import generate_registration_options
        from webauthn.helpers import options_to_json_dict
        from webauthn.helpers.structs import (
            AuthenticatorSelectionCriteria,
            PublicKeyCredentialDescriptor,
            ResidentKeyRequirement,
            UserVerificationRequirement,
        )

        options = generate_registration_options(
            rp_id=self._rp_id,
            rp_name=_NAME,
            user_id=user_handle(user_id),
            user_name=name,
            user_display_name=display_name,
            challenge=challenge,
            timeout=rules.CHALLENGE_SECONDS * 1000,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED,
                require_resident_key=True,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=[PublicKeyCredentialDescriptor(id=id_) for id_ in known],
            supported_pub_key_algs=_algorithms(),
        )
        return options_to_json_dict(options)

    def request_options(self, challenge: bytes) -> dict[str, Any]:
        """`PublicKeyCredentialRequestOptionsJSON` for a discoverable credential, with user verification."""
        from webauthn import generate_authentication_options
        from webauthn.helpers import options_to_json_dict
        from webauthn.helpers.structs import UserVerificationRequirement

        options = generate_authentication_options(
            rp_id=self._rp_id,
            challenge=challenge,
            timeout=rules.CHALLENGE_SECONDS * 1000,
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return options_to_json_dict(options)

    def verify_registration(self, credential: dict[str, Any], challenge: bytes) -> Registered:
        """The credential of a `RegistrationResponseJSON`.

        Raises:
            Refused: it does not answer this challenge, from this origin, with user verification.
        """
        from webauthn import verify_registration_response

        try:
            verified = verify_registration_response(
                credential=credential,
                expected_challenge=challenge,
                expected_rp_id=self._rp_id,
                expected_origin=self._origin,
                require_user_verification=True,
                supported_pub_key_algs=_algorithms(),
            )
        except Exception as error:  # of parsers of hostile bytes no list is complete
            raise Refused(f"{type(error).__name__}: {error}") from error
        if raw_id(credential) != verified.credential_id:
            raise Refused("the credential has another id than it says")
        return Registered(verified.credential_id, verified.credential_public_key, verified.sign_count)

    def verify_assertion(
        self, credential: dict[str, Any], challenge: bytes, public_key: bytes, user_id: str
    ) -> int:
        """The counter of an `AuthenticationResponseJSON` that the owner of `public_key` signed. Whether it
        went back is for the caller to compare.

        Raises:
            Refused: as above, or the signature or the user is wrong.
        """
        from webauthn import verify_authentication_response

        try:
            verified = verify_authentication_response(
                credential=credential,
                expected_challenge=challenge,
                expected_rp_id=self._rp_id,
                expected_origin=self._origin,
                credential_public_key=public_key,
                # Compared where it is stored, in the transaction that stores the new one.
                credential_current_sign_count=0,
                require_user_verification=True,
            )
        except Exception as error:
            raise Refused(f"{type(error).__name__}: {error}") from error
        handle = credential["response"].get("userHandle")
        # The id of a credential is unique and names its owner; a handle must not say otherwise.
        if handle is not None and decoded(handle) != user_handle(user_id):
            raise Refused("the user is another one")
        return verified.new_sign_count


def new_challenge(challenge_id: str) -> bytes:
    """The id and 256 random bits: an answer tells by itself which challenge it answers."""
    return uuid.UUID(challenge_id).bytes + secrets.token_bytes(32)


def challenge_id_of(credential: dict[str, Any]) -> str | None:
    """The id of the challenge that a credential says to answer, or None."""
    try:
        client_data = json.loads(decoded(credential["response"]["clientDataJSON"]))
        challenge = decoded(str(client_data["challenge"]))
        return str(uuid.UUID(bytes=challenge[:_ID_BYTES]))
    except (Refused, ValueError, KeyError, TypeError, RecursionError):
        return None


def raw_id(credential: dict[str, Any]) -> bytes:
    """The id of a credential.

    Raises:
        Refused: it is not base64url.
    """
    return decoded(credential["rawId"])


def user_handle(user_id: str) -> bytes:
    """What authenticators store of a user: 16 bytes that say nothing about it."""
    return uuid.UUID(user_id).bytes


def decoded(text: str) -> bytes:
    """The bytes of unpadded base64url.

    Raises:
        Refused: it is none.
    """
    try:
        return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused("not base64url") from error


def _algorithms() -> list[Any]:
    from webauthn.helpers.cose import COSEAlgorithmIdentifier

    return [
        COSEAlgorithmIdentifier.ECDSA_SHA_256,
        COSEAlgorithmIdentifier.EDDSA,
        COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
    ]
