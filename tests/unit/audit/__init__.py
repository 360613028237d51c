"""The audit trail over the embedded store."""
