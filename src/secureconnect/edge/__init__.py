"""What every surface of the product shares: the HTTP edge and the realtime edge, on one port."""
