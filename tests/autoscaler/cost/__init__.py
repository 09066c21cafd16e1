"""Tests of what things cost."""
