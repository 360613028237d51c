"""Mail: `base` is the port, `smtp` talks to a server, `file` writes a directory, `mime` makes the bytes."""
