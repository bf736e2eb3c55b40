"""Models by name or by path, and what identifies their parameters."""

from __future__ import annotations

import dataclasses
import pathlib

from cnerf_jax import pretrained
from cnerf_jax import semantics
from cnerf_jax.export import model_card

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
  """SHA-256 of all parameters, as in model cards."""
  return model_card.parameters_sha256(model)
