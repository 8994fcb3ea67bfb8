"""Status of a study: its plan file, the states of its runs, and the table that shows them."""
