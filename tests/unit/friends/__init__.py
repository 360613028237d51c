"""Friends and blocks: the rules, the use cases over the embedded store, and any order of them."""
