"""Bytes of files: the Blobs port, a directory served by us, and S3."""
