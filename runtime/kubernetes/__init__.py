"""Fleets on Kubernetes: what is there, how it is moved, and by whom."""
