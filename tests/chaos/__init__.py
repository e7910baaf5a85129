"""Faults made on purpose while users talk, and a checker over everything that they received."""
