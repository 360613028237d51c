"""Drafts: what somebody began to write and did not send yet, on all of one's devices.

Owns the drafts: one per user, conversation and thread, seen by nobody else. A send does not touch them.
Neighbours: `conversations` knows who takes part, `files` whose files are attached.
"""
