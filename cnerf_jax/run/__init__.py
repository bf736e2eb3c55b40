"""A training run: how it starts, its loop, what happens between steps, what it will take."""
