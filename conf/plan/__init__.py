"""The plan app: its own root of choices."""
