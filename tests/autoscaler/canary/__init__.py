"""Tests of the watch over a policy just applied."""
