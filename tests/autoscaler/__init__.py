"""Behaviour of sizing, guardrails, decisions and their memory."""
