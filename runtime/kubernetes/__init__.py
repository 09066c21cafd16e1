"""Replicas that are pods: watched, moved through /scale and labels of ours, and led by one daemon at a time."""
