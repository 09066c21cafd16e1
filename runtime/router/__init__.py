"""The router: an OpenAI-compatible gateway in front of every active replica, which knows what it has sent where."""
