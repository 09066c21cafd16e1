"""Schedulers that run inside vLLM: ``vllm serve … --scheduler-cls runtime.schedulers.larry.LarryScheduler``.

``arithmetic``, ``lines`` and ``settings`` are plain Python and need nothing; ``waiting``, ``scheduler``, ``larry`` and
``predicted`` need vLLM and nothing else, since they are loaded into its environment, which has none of our
dependencies. The rules are those of ``runtime.simulated.schedulers``, and tests hold the two equal.
"""
