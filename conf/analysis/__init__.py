"""The fit app: its own root of choices."""
