"""Messages: the rules, rendering, announcing, and the use cases over the embedded store."""
