"""Conversations: who talks with whom, under which rules, and how each of them sees it.

Owns the tables `conversations`, `conversation_participants`, `removed_members` and `conversation_invites`,
and the routes about them. Every durable change appends its event in the same transaction. Neighbours:
`friends` knows blocks, `messages` fills the timelines and advances the marks kept here, `presence` asks who
shares a conversation.
"""
