"""What is remembered in the database: decisions, policies and their trials, models, and who changed what."""
