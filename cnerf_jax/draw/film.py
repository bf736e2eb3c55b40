"""The moving picture: a shot for every frame, frames side by side by kind, encoded as they come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
import hashlib

import numpy as np

from cnerf_jax import semantics
from cnerf_jax.draw import cameras
from cnerf_jax.draw import encoding
from cnerf_jax.draw import renderer as renderer_lib
from cnerf_jax.draw import sheets as draw_sheets
from cnerf_jax.reporting import sheets

_NEEDS = {'image': ('rgb',), 'mask': ('semantic_mask',), 'depth': ('depth',), 'normals': ('normal', 'opacity')}
_DEPTH_RANGE = (0.94, 1.1)  # world units; fixed, so that a film does not flicker


class Film:
  """A film in the making; the camera's path, and who is in front of it, close at the end."""

  def __init__(self, settings: Mapping[str, object], class_set: semantics.ClassSet, people: np.ndarray):
    """Settings as `checks` passed them; people: styles of the seeds."""
    self._settings, self._class_set, self._people = settings, class_set, people
    self.quantities = [name for kind in settings['show'] for name in _NEEDS[kind]]

  def shots(self) -> list[renderer_lib.Shot]:
    """One for each frame."""
    settings = self._settings
    count = round(settings['seconds'] * settings['fps'])
    found = []
    for time in np.arange(count) / count:
      azimuth, elevation = cameras.position(
          settings['path'], float(time) * settings['turns'], azimuth=settings['azimuth'], elevation=settings['elevation'])
      found.append(renderer_lib.Shot(cameras.styles_at(self._people, float(time)).astype(np.float32), azimuth, elevation))
    return found

  def compose(self, views: Iterable[renderer_lib.View]) -> tuple[bytes, str]:
    """(film, SHA-256 of its frames before they were encoded)."""
    digest = hashlib.sha256()

    def frames() -> Iterator[np.ndarray]:
      for view in views:
        frame = np.concatenate([self._panel(view, kind) for kind in self._settings['show']], axis=1)
        digest.update(frame.tobytes())
        yield frame

    data = encoding.ENCODERS[self._settings['format']](frames(), fps=self._settings['fps'])
    return data, digest.hexdigest()

  def beside(self) -> dict[str, bytes]:
    """Further files: none."""
    return {}

  def _panel(self, view: renderer_lib.View, kind: str) -> np.ndarray:
    if kind == 'image':
      return sheets.pixels(view.rgb)
    if kind == 'mask':
      return sheets.coloured_mask(view.semantic_mask, self._class_set)
    if kind == 'depth':
      return sheets.coloured_depth(view.depth, near=_DEPTH_RANGE[0], far=_DEPTH_RANGE[1])
    return draw_sheets.shaded_normals(view)
