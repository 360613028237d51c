"""Files: uploads that go straight to the object store, quota, who may read what, thumbnails, avatars.

Owns the tables `files`, `storage_usage` and `file_grants`, and the objects below `users/`, `thumbs/` and
`avatars/`.
"""
