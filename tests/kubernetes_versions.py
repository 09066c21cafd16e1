"""The versions of Kubernetes whose published schemas every generated document is held to."""

VERSIONS = ("1.30", "1.31", "1.32", "1.33", "1.34", "1.35", "1.36")
