"""Leadtime around real engines on this machine: each of its parts a process that may be killed."""
