"""The command line of export: its page, its options, and what is refused before any work."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
import importlib.util

CARD = 'model_card.json'
FORMATS = ('stablehlo', 'onnx', 'onnx_float16')
_PACKAGES = {'stablehlo': 'flatbuffers', 'onnx': 'onnx', 'onnx_float16': 'onnx'}
_EXPORT = """\
A model for other programs, in a folder of its own, with a model card (model_card.json: classes, sizes, cameras, data and its licence, training,
scores where known, what goes in and out).

  python -m cnerf_jax.draw export --model people64 --formats stablehlo,onnx,onnx_float16

  stablehlo     for any process with jax alone, on CPU, GPU or TPU, any batch, with derivatives
  onnx          for ONNX Runtime in Python, C++ or a browser; one portrait at a time
  onnx_float16  the same with float16 weights where that costs less than 2 of 255 levels

docs/export.md has ten lines that use each. A model of data that is not this repository's own needs --licence.
"""


def add(verb: Callable[..., argparse.ArgumentParser], *, common: Callable, names: Callable) -> None:
  """Adds the verb; arguments as `editing_verbs.add`."""
  parser = verb(
      'export', 'the model for other programs: StableHLO, ONNX, with a card', _EXPORT, parents=[common('truncation', 'importance')])
  parser.add_argument('--formats', metavar='NAMES', type=names, default=['stablehlo', 'onnx'],
                      help=f'of {", ".join(FORMATS)} (default: stablehlo,onnx)')
  parser.add_argument('--licence', '--license', metavar='NAME', help="of the parameters (default: this repository's, if the data is)")


def check(settings: Mapping[str, object]) -> None:
  """ValueError in one line if nothing can come of these settings."""
  formats = settings['formats']
  if not isinstance(formats, list) or not formats or any(name not in FORMATS for name in formats):
    said = ','.join(map(str, formats)) if isinstance(formats, list) else formats
    raise ValueError(f'--formats {said} must be some of {", ".join(FORMATS)}')
  missing = sorted({_PACKAGES[name] for name in formats if importlib.util.find_spec(_PACKAGES[name]) is None})
  if missing:
    raise ValueError(f"export to {','.join(formats)} needs {' and '.join(missing)}; pip install -e '.[export]'")
