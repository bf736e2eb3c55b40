"""The file of the shipped parameters, without what it takes to use them."""

import functools
import hashlib
import os
import pathlib

SHIPPED = pathlib.Path(__file__).parent / 'parameters.npz'


@functools.cache
def fingerprint(path: str | os.PathLike = SHIPPED) -> str:
  """Hash of a file of parameters: what was read with others may be different."""
  return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()[:24]
