"""Grades of answers, metrics of graded answers, and the table of a recipe."""
