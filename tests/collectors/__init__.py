"""Mirrors collectors/."""
