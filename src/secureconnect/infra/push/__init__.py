"""Pushes to devices: Web Push, FCM and APNs directly, or a file; no gateway of anybody in between.

`base` is the port; `file`, `webpush`, `fcm` and `apns` implement it, each for what its provider asks.
"""
