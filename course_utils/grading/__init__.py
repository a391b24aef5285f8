"""Grading on nbgrader's own pipeline: a kernel that dies costs its cell only, and every exercise has a report."""
