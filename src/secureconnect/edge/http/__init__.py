"""The HTTP edge: declared routes on bare ASGI, one envelope, one order of checks
(docs/reference/conventions.md).

A feature declares `Route`s (`routing`); `dispatch` runs every request through the same checks; `openapi`
turns the same declarations into the published document, so the document cannot lie.
"""
