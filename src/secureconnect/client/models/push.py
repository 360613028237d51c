"""Pushes."""

from secureconnect.client.models.base import Model, Moment

__all__ = ["PushDelivery", "PushToken"]


class PushToken(Model, frozen=True, kw_only=True):
    """One of the caller's devices; of its `token` only the ends are shown."""

    token_id: str
    type: str
    token: str
    device_id: str | None = None
    platform: str | None = None
    active: bool
    last_success_at: Moment | None = None
    last_error: str | None = None
    created_at: Moment
    updated_at: Moment


class PushDelivery(Model, frozen=True, kw_only=True):
    """What became of one push to one device: queued, sent, acked, failed or expired."""

    delivery_id: str
    token_id: str
    kind: str
    status: str
    attempts: int
    last_error: str | None = None
    created_at: Moment
    updated_at: Moment
