"""The version of the package, as files carry it and pyproject.toml reads it."""

__version__ = '0.2.0'
