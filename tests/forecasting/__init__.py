"""Behaviour of the forecasts."""
