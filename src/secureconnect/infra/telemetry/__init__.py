"""Signals for operators: logs in `log`, metrics in `metrics`."""
