"""Cryptography at rest: `sealing` for what must be read again, `hashing` for passwords."""
