"""Tests of self-tuning."""
