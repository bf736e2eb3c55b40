"""Files of the small networks that are shipped: parameters rounded to float16, and what is to be known of them."""

from __future__ import annotations

import io
import json
import os
from typing import Any
import zipfile

from flax import traverse_util
import jax
import jax.numpy as jnp
import numpy as np

from cnerf_jax.persistence import atomic_files

_FORMAT = 1
_ABOUT = 'about'  # name of the JSON text in the file


def load(path: str | os.PathLike, expected: Any, what: str, command: str) -> tuple[Any, dict[str, Any]]:
  """(parameters as float32, what is to be known of them) of a file that `save` wrote.

  Args:
    path: of the file.
    expected: parameters of the same shapes.
    what: the network does, for the error.
    command: that writes such files, likewise.

  Raises:
    ValueError: in one line, if it holds no such network.
  """
  try:
    with np.load(path, allow_pickle=False) as file:
      arrays = dict(file)
    about = json.loads(str(arrays.pop(_ABOUT)))
    if about['format'] != _FORMAT:
      raise ValueError(f'format {about["format"]}, not {_FORMAT}')
    params = traverse_util.unflatten_dict({name: jnp.asarray(value, jnp.float32) for name, value in arrays.items()}, sep='/')
    if jax.tree.map(jnp.shape, params) != jax.tree.map(jnp.shape, expected):
      raise ValueError('arrays of other shapes')
  except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
    raise ValueError(f'{path} holds no network that {what} ({atomic_files.one_line(error)}); '
                     f'give a file that {command} wrote') from error
  return params, about


def save(path: str | os.PathLike, params: Any, about: dict[str, Any]) -> None:
  """Writes parameters and what is to be known of them; OSError in one line if it can't be done."""
  arrays = {name: np.asarray(leaf, np.float16) for name, leaf in traverse_util.flatten_dict(dict(params), sep='/').items()}
  buffer = io.BytesIO()
  np.savez_compressed(buffer, **{_ABOUT: np.array(json.dumps({'format': _FORMAT, **about}))}, **arrays)
  atomic_files.write_bytes(path, buffer.getvalue())
