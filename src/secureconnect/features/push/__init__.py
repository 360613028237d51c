"""Pushes: what happened, told to devices that are not connected, through their own providers.

Owns the tokens of devices and what became of each push. Neighbours: `notifications` decides who is told of
what and when, `sessions` says which devices are logged in.
"""
