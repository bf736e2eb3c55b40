"""Settings of edit, directions and invert that are refused before any work, each in one line."""

from __future__ import annotations

from collections.abc import Mapping
import importlib.util
import pathlib

from cnerf_jax.draw import edit_words

LABEL_ORDERS = ('classes', 'celebamask_hq')
_MOST_EDITS = 12


def check_edit(settings: Mapping[str, object]) -> None:
  """ValueError or FileNotFoundError if no edit can come of these; what depends on the model is checked when it is there."""
  edits = settings['edits']
  if not isinstance(edits, list) or not 1 <= len(edits) <= _MOST_EDITS:
    raise ValueError(f'--edits {edits} must be 1 to {_MOST_EDITS} edits, such as hair=swap:7,mouth=truncate:0.5')
  for words in edits:
    edit_words.parse(words)
  _check_files(settings, 'directions', 'person')


def check_directions(settings: Mapping[str, object]) -> None:
  """ValueError or FileNotFoundError if no direction can come of these; likewise."""
  methods = settings['methods']
  if not isinstance(methods, list) or not methods or any(name not in edit_words.METHODS for name in methods):
    said = ','.join(map(str, methods)) if isinstance(methods, list) else methods
    raise ValueError(f'--methods {said} must be some of {", ".join(edit_words.METHODS)}')
  if not isinstance(settings['region'], str):
    raise ValueError(f'--region {settings["region"]} must be the name of a class, such as nose')


def check_invert(settings: Mapping[str, object]) -> None:
  """ValueError or FileNotFoundError if no inversion can come of these; likewise."""
  if importlib.util.find_spec('optax') is None:
    raise ValueError('invert needs optax; pip install optax')
  if (settings['azimuth'] is None) != (settings['elevation'] is None):
    raise ValueError('--azimuth and --elevation are one camera; give both, or neither to have it found')
  if settings['encoder'] and not settings['labels']:
    raise ValueError('an encoder reads photograph and label map together; give --labels, or leave --encoder out')
  if settings['label_order'] not in LABEL_ORDERS:
    raise ValueError(f'--label_order {settings["label_order"]} is not known; use one of {", ".join(LABEL_ORDERS)}')
  _check_files(settings, 'photo', 'labels', 'encoder')


def _check_files(settings: Mapping[str, object], *names: str) -> None:
  for name in names:
    if settings[name] is not None and not pathlib.Path(str(settings[name])).expanduser().exists():
      raise FileNotFoundError(f'--{name} {settings[name]}: no such file')
