"""Fan-out: who is connected to this process, and how events reach them, in order and without a gap."""
