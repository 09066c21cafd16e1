"""Tests of how forecasts are shown."""
