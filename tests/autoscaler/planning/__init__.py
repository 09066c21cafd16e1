"""Tests of capacity plans."""
