"""The report of a study: its words, tables and pages."""
