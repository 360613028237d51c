"""Calls: who talks to whom, from ringing to the end, and the signaling by which devices find each other.

Owns calls, who was invited and who is in them, recordings and the personal log of calls. Media never passes
here: it goes between devices, or through a server for many (`infra.sfu`). Neighbours: `conversations` knows
who takes part, `notifications` and `push` tell whoever is not looking.
"""
