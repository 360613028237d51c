"""Polls: questions that members answer by choosing.

Owns polls, their options and votes. A poll is a message too (`message_type: poll`, the same id), so it can be
answered, reacted to, pinned and deleted like one. Neighbours: `conversations` knows who takes part,
`messages` shows polls among what is said.
"""
