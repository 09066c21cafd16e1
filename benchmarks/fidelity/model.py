"""The model that is measured: the tiny one of the local fleet."""

from runtime.local.model import CONFIG, MAX_TOKENS, VOCABULARY, write

__all__ = ["CONFIG", "MAX_TOKENS", "VOCABULARY", "write"]
