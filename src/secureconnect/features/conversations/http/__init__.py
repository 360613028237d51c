"""Routes of conversations (docs/reference/http.md §8): whole ones, members, one's own state, invites."""
