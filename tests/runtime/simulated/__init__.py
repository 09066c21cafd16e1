"""Tests of runtime.simulated."""
