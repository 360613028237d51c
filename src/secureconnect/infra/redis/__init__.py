"""The way to Redis or Valkey that bus and cache share: addresses, connections, and whether it answers."""
