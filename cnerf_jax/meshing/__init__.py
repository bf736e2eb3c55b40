"""Meshes and splats of portraits: the solid of a radiance field as triangles, as Gaussians, and what both look like from a camera."""
