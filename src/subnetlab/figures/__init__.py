"""Figures: numbers in, a figure and the table of what it draws out. Nothing here trains."""
