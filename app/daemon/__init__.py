"""The daemon: the control loop, its memory of the last tick, and the process that serves both."""
