"""Tests of runtime.agent."""
