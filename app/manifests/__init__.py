"""Documents for Kubernetes, generated: the policy resource, and workloads that run vLLM. All pure but the commands."""
