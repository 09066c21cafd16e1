"""A fleet that needs no GPU: paged-KV replicas on a virtual clock, served over HTTP."""
