"""Density, volume aggregation, volume rendering, surface: arrays in, arrays out."""
