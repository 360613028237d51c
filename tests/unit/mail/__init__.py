"""Mail: texts and the way to the outbox."""
