"""One run: what it is, what it costs, and how it is made."""
