"""The pictures for other tools: Grafana dashboards and Prometheus rules, generated from code."""
