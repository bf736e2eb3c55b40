"""Scores: distances, an oracle that reads pictures, classes, and the bars to reach."""
