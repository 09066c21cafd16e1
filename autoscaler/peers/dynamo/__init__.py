"""NVIDIA Dynamo's planner (mixed commits after v1.5), reading order: predictors, regression, load, budget, planner.

Formulas from reference peers 6 with corrections D1 to D13. Not here: the ARIMA and Prophet fits, which need their own
libraries. Their forecasts are given where no fit is made, and races use the Kalman filter and the constant.
"""

from autoscaler.peers.dynamo.planner import Dynamo

__all__ = ["Dynamo"]
