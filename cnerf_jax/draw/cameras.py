"""Where the camera of a film is, and who is in front of it, at a time in [0, 1); at 1 everything is as at 0."""

from __future__ import annotations

import math

from jaxtyping import Array, Float


def position(path: str, time: float, *, azimuth: float, elevation: float) -> tuple[float, float]:
  """(azimuth, elevation) in radians: of a sweep from side to side, an ellipse, or an orbit at one elevation.

  Args:
    path: sweep, ellipse or orbit.
    time: in turns of the path.
    azimuth: the most to either side, radians; an orbit goes all around.
    elevation: the most up and down, radians; a sweep stays at 0.

  Raises:
    ValueError: if the path is not known.
  """
  angle = 2 * math.pi * time
  paths = {
      'sweep': (azimuth * math.sin(angle), 0.0),
      'ellipse': (azimuth * math.cos(angle), elevation * math.sin(angle)),
      'orbit': (angle % (2 * math.pi), elevation)}
  if path not in paths:
    raise ValueError(f'path {path!r} is not known; use one of {", ".join(paths)}')
  return paths[path]


def styles_at(people: Float[Array, 'people classes 2 style_dim'], time: float) -> Float[Array, 'classes 2 style_dim']:
  """Styles on the way from each person to the next and from the last to the first; slow at each, quick between."""
  count = len(people)
  if count == 1:
    return people[0]
  index, fraction = divmod(time % 1 * count, 1)
  eased = fraction**2 * (3 - 2 * fraction)
  return (1 - eased) * people[int(index)] + eased * people[(int(index) + 1) % count]
