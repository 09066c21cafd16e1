"""Tests of what benchmarks are made of; benchmarks themselves are run by hand."""
