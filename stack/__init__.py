"""The servers that SecureConnect stands on, started without containers: for tests and for `make stack`."""
