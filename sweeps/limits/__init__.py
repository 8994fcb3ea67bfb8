"""Amounts spent, and limits on them."""
