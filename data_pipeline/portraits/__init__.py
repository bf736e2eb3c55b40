"""Procedural 3D heads with known truth: the embedded data set that anyone can generate."""
