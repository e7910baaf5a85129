"""Faults made on purpose while people talk, and a checker over everything that they received."""
