"""Tests of the backtest: the same for every contender, the same for every run."""
