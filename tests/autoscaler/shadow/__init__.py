"""Tests of a candidate beside the live policy."""
