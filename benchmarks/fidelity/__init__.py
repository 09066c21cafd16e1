"""Parts of ``benchmarks.fidelity_vllm``: a real engine, loads, what a client sees, and the fit of the step-time law."""
