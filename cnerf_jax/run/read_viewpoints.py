"""Viewpoints of photographs as the encoder of a run reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
import os
import pathlib

import jax
import numpy as np

from cnerf_jax import pretrained
from cnerf_jax.persistence import viewpoints_file

BATCH = 64


def load_reader(workdir: str | os.PathLike) -> pretrained.Encoder:
  """The encoder of a run; ValueError or FileNotFoundError in one line if it has none, or one that reads no viewpoints."""
  encoder = pretrained.load_encoder(workdir)
  if encoder.module.viewpoint_std is None:
    raise ValueError(f'the encoder of {workdir} reads no viewpoints, because its run took those of the records as known; use a run with '
                     '--config.vae_pretraining.viewpoints=refined or guessed')
  return encoder


def read(
    encoder: pretrained.Encoder, batches: Iterable[tuple[list[str], Mapping[str, np.ndarray]]],
    on_read: Callable[[int], None] = lambda count: None,
) -> dict[str, list[float]]:
  """{name: [azimuth, elevation]} in radians.

  Args:
    encoder: that reads viewpoints.
    batches: of names and examples (`image`, `semantic_mask`), at most BATCH at a time.
    on_read: called with the number of portraits read so far.
  """
  module = jax.jit(lambda image, semantic_mask: encoder(image, semantic_mask)[1])
  found, count = {}, 0
  for names, examples in batches:
    padded = [np.resize(examples[name], (BATCH, *examples[name].shape[1:])) for name in ('image', 'semantic_mask')]  # one program for all
    for name, viewpoint in zip(names, np.asarray(module(*padded), np.float64)):
      found[name] = [round(float(angle), 5) for angle in viewpoint]
    count += len(names)
    on_read(count)
  return found


def write(folder: str | os.PathLike, viewpoints: Mapping[str, Sequence[float]]) -> pathlib.Path:
  """Writes them into a folder of data, see `viewpoints_file`; returns the file's path."""
  path = pathlib.Path(folder).expanduser() / viewpoints_file.NAME
  viewpoints_file.write(path, viewpoints)
  return path
