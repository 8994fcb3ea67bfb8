"""Runs on several processes: their launcher, their collective operations, and the sharding of their state by DeepSpeed."""
