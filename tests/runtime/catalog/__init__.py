"""Tests of runtime.catalog."""
