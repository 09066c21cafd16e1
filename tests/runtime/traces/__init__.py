"""Tests of runtime.traces."""
