"""Forecasts as people see them: the series that is forecast, its evaluation in words, and a page with pictures."""
