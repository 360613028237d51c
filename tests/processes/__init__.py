"""Two processes of one installation, as black boxes."""
