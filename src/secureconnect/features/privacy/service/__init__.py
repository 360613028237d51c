"""Use cases of privacy: `deletion` takes accounts out and brings them back."""

from secureconnect.features.privacy.service.deletion import Deletion

__all__ = ["Deletion"]
