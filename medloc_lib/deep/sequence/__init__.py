"""Lesson 11: volumes as sequences of slices."""
