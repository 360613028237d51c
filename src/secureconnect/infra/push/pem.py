"""Private keys in PEM."""

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

__all__ = ["read_p256", "read_rsa"]


def read_p256(text: str) -> EllipticCurvePrivateKey:
    """The key on P-256 in `text`.

    Raises:
        ValueError: there is none, or it is encrypted.
    """
    key = _read(text)
    if isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1):
        return key
    raise ValueError("is not a key on P-256")


def read_rsa(text: str) -> RSAPrivateKey:
    """The RSA key in `text`.

    Raises:
        ValueError: there is none, or it is encrypted.
    """
    key = _read(text)
    if isinstance(key, RSAPrivateKey):
        return key
    raise ValueError("is not an RSA key")


def _read(text: str) -> object:
    try:
        return load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueError("is not a private key in PEM") from error
