"""Capacity plans: which pool carries a model's traffic within its SLO at the least cost, and how to pay for it.

Pure: numbers in, numbers out. The command line (``leadtime plan``) reads the files and shows what comes.
"""
