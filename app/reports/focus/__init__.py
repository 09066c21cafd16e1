"""Charges by hour in the columns of FOCUS 1.2, the FinOps Open Cost and Usage Specification, and a check of such files.

``pieces`` cuts an account where a commitment covers part of a line, ``export`` gives each piece its columns;
``columns``, ``values`` and ``rules`` say what 1.2 asks of any file, and ``check`` holds a file to it.
"""

from app.reports.focus.check import problems
from app.reports.focus.columns import VERSION
from app.reports.focus.export import focus_csv

__all__ = ["VERSION", "focus_csv", "problems"]
