"""Mail: `base` is the port, `smtp` talks to a server, `file` writes into a directory, `mime` makes the bytes."""
