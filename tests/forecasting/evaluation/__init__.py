"""Tests of rolling evaluation: formulas against slow references, and no look into the future."""
