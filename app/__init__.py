"""The faces of Leadtime: CLI, HTTP API, console and daemon; the only place that wires things together."""
