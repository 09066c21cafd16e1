"""Tests of the FOCUS export and its check."""
