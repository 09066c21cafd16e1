"""What goes wrong with the catalogue: one line that names the file, row and value, or the names that exist."""

from __future__ import annotations


class CatalogError(ValueError):
    """A name that the catalogue lacks, or a table of measurements that cannot be used; ``str`` is one line."""
