"""Tests of the console, against a fake API."""
