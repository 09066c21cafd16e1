"""A policy just applied, on watch: does the SLO burn faster than before, and who takes the policy back if so."""
