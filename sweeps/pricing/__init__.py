"""What a study will take before it starts: time from what was measured, memory, money, and what is done of it."""
