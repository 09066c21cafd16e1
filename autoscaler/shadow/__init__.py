"""A candidate policy beside the live one: what it would have asked for, cost and attained, without being applied.

Reading order: ``fleet`` (the replicas it would have), ``run`` (one tick of it), ``report`` (both in figures and words).
"""
