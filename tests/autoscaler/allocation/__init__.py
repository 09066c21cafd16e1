"""Tests of the allocation of replicas to pools, tiers and services."""
