"""Photograph-like portraits of invented people with every truth: camera, depth, normals, labels, landmarks, edits.

Compiled code is cached by a hash of this package's sources: numba looks at the file of a function alone, and would go on with what it has
when a constant or a function that was compiled into it changes elsewhere. What compiled functions call is inlined (`inline='always'`): else the
process that compiles runs another copy of it than those that load, with other rounding.
"""

import hashlib
import os
import pathlib


def _compiled_folder() -> pathlib.Path:
  digest = hashlib.sha256()
  for path in sorted(pathlib.Path(__file__).parent.glob('*.py')):
    digest.update(path.read_bytes())
  return pathlib.Path('~/.cache/cnerf_jax/numba').expanduser() / digest.hexdigest()[:16]


os.environ.setdefault('NUMBA_CACHE_DIR', str(_compiled_folder()))
