"""Decides which runs to make, and says what they cost before they start."""
