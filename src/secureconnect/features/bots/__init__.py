"""Programs that take part: bots with scoped tokens, and webhooks that post into one conversation.

Owns `bot_tokens` and `webhooks`. A bot's profile is a user, kept by `users`.
"""
