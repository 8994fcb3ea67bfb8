"""Amounts spent, and how much may be spent."""
