"""Periodic work of pushes."""

from secureconnect.edge.module import Task
from secureconnect.features.push.service import Devices, Receipts

__all__ = ["tasks"]


def tasks(devices: Devices, receipts: Receipts) -> list[Task]:
    """Forget what `retention.push_token_days` and `retention.push_delivery_days` let go."""
    return [
        Task("push_tokens_retention", 3600, devices.purge),
        Task("push_deliveries_retention", 3600, receipts.purge),
    ]
