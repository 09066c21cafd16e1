"""How good forecasts are: rolled over a series day by day, out of sample, and scored against what came.

Reading order: ``scores`` (formulas), ``references`` and ``outages`` (what is compared, and what is broken on purpose),
``rolling`` (what would have been told), ``report`` (all of it on one series).
"""
