"""The decided number of replicas for KEDA, by its gRPC interface for external scalers."""
