"""Runs on several processes: how they are launched, how they talk, how DeepSpeed shards their state."""
