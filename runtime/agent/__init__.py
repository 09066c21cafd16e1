"""A fleet behind an address: the same protocol in another process, or on another machine."""
