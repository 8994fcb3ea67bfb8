"""Numerical methods that laws are built on: minimisers, profiles, surfaces."""
