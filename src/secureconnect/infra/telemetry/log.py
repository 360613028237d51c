"""Structured logs: one JSON object per line on stdout (docs/reference/logs.md)."""

import sys
from typing import Any

import msgspec
import structlog

__all__ = ["configure", "get_logger"]


def get_logger() -> Any:
    """The logger of the calling module."""
    return structlog.get_logger()


_encoder = msgspec.json.Encoder(enc_hook=str)


def configure() -> None:
    """Placeholder until the full configuration is written below."""
