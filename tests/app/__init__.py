"""Tests of the faces: settings, API, daemon, command line."""
