"""One `.npz` file of parameters: arrays under their paths in the tree, and JSON texts that say what they are."""

from __future__ import annotations

from collections.abc import Mapping
import io
import json
import os
import zipfile
import zlib

from flax import traverse_util
import numpy as np

from cnerf_jax.persistence import atomic_files

# what reading a file raises that is damaged, or holds something else
UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile, zlib.error)


def flat(params: Mapping[str, object]) -> dict[str, np.ndarray]:
  """The arrays of a tree under their paths, as a file names them: `params/mapping/mean`."""
  return {name: np.asarray(array) for name, array in traverse_util.flatten_dict(dict(params), sep='/').items()}


def write(path: str | os.PathLike, texts: Mapping[str, object], arrays: Mapping[str, object]) -> None:
  """Writes a file of JSON texts and arrays; OSError in one line if it can't be written, and what was there before is still there."""
  buffer = io.BytesIO()
  np.savez_compressed(
      buffer, **{name: np.array(json.dumps(text)) for name, text in texts.items()},
      **{name: np.asarray(array) for name, array in arrays.items()})
  atomic_files.write_bytes(path, buffer.getvalue())
