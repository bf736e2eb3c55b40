"""Models by name or by path, and what identifies their parameters."""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib

from flax import traverse_util
import numpy as np

from cnerf_jax import pretrained
from cnerf_jax import semantics

SHIPPED = pathlib.Path(__file__).parents[2] / 'pretrained'


def find(name: str) -> pathlib.Path:
  """The file or folder of a model: a path as it is, or a shipped model by its name; FileNotFoundError in one line otherwise."""
  path = pathlib.Path(name).expanduser()
  if path.exists():
    return path
  shipped = {file.stem: file for file in sorted(SHIPPED.glob('*.npz'))}
  if name in shipped:
    return shipped[name]
  raise FileNotFoundError(f'no model {name}: neither a file or folder nor a shipped model ({", ".join(shipped) or "there are none here"})')


def load(name: str) -> pretrained.Model:
  """A model with the class set that its masks are coloured by; ValueError or OSError in one line if there is none."""
  model = pretrained.load(find(name))
  if model.class_set is not None:
    return model
  count = model.generator.num_classes
  fitting = [known.name for known in semantics.CLASS_SETS.values() if known.num_classes == count]
  if not fitting:
    raise ValueError(f'{name} has {count} classes and does not say which; class sets are '
                     + ', '.join(f'{known.name} of {known.num_classes}' for known in semantics.CLASS_SETS.values()))
  return dataclasses.replace(model, class_set=fitting[0])


def digest(model: pretrained.Model) -> str:
  """SHA-256 of names and bytes of all parameters and of the mean w, whatever file they came from."""
  found = hashlib.sha256()
  arrays = traverse_util.flatten_dict(dict(model.params), sep='/') | {'w_mean': model.w_mean}
  for name in sorted(arrays):
    array = np.asarray(arrays[name])
    found.update(f'{name} {array.dtype} {array.shape} '.encode())
    found.update(array.tobytes())
  return found.hexdigest()
