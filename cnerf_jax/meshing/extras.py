"""The packages that only meshes need, loaded when a mesh is made."""

import importlib
import types


def load(module: str, package: str) -> types.ModuleType:
  """A module of the extra `mesh`.

  Raises:
    ValueError: if its package is not installed.
  """
  try:
    return importlib.import_module(module)
  except ImportError:
    raise ValueError(f"meshes need {package}, which is not installed; pip install '.[mesh]' in the repository, or {package}") from None
