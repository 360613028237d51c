"""TURN and STUN servers: `base` is the port, `rest` makes credentials out of a shared secret."""
