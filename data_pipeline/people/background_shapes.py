"""The shapes that places are put together from: windows, shelves, lamps, logos, leaves, houses, people far behind.

A shape is a row of ten numbers: 0 for a rectangle or 1 for an ellipse; x, y, half its width, half its height, in fields of view; linear
red, green, blue; opacity; whether it adds light (1) or covers (0). Later ones lie over earlier ones.
"""

import numpy as np

RECTANGLE, ELLIPSE = 0, 1
COLUMNS = 10
_REACH = (5.5, 2.5)  # of the panorama to each side, fields of view


def shapes(kind: str, colours: tuple, busyness: float, rng: np.random.Generator) -> np.ndarray:
  """[shapes, 10] of a kind of place (`backgrounds.KINDS`); colours are its three, linear RGB."""
  maker = _MAKERS.get(kind)
  if maker is None:
    return np.zeros((0, COLUMNS))
  return np.concatenate(maker(np.array(colours), busyness, rng))


def _rows(shape, x, y, wide, high, colour, opacity=1.0, adds=0.0) -> np.ndarray:
  """Shapes as rows; every argument is one number (a colour: three) or one a shape."""
  rows = np.empty((np.size(x), COLUMNS))
  for column, value in enumerate((shape, x, y, wide, high)):
    rows[:, column] = value
  rows[:, 5:8], rows[:, 8], rows[:, 9] = colour, opacity, adds
  return rows


def _places(rng, density, reach=_REACH):
  """(count, x, y) spread evenly with so many to a field of view squared."""
  count = int(density * 4 * reach[0] * reach[1])
  return count, rng.uniform(-reach[0], reach[0], count), rng.uniform(-reach[1], reach[1], count)


def _lamp_colours(rng, count):
  """Mostly warm, some coloured, few cold."""
  warm = np.array([1.0, 0.62, 0.28]) * rng.uniform(0.6, 1.2, (count, 1))
  odd = rng.uniform(0.05, 1.0, (count, 3))
  cold = np.array([0.6, 0.8, 1.0])
  choice = rng.random((count, 1))
  return np.where(choice < 0.6, warm, np.where(choice < 0.8, odd, cold))


def _discs(rng, density, size, strength, reach=_REACH):
  count, x, y = _places(rng, density, reach)
  radius = size * rng.uniform(0.6, 1.2, count)
  colour = _lamp_colours(rng, count) * (strength * rng.uniform(0.3, 1.3, (count, 1)))
  return _rows(ELLIPSE, x, y, radius, radius, colour, 0.8, 1.0)


def _wall(colours, busyness, rng):
  """Panels' edges, or a soft shadow, or nothing."""
  if rng.random() < 0.5:
    return [np.zeros((0, COLUMNS))]
  x = np.arange(-_REACH[0], _REACH[0], rng.uniform(0.5, 1.3)) + rng.uniform(0, 1)
  return [_rows(RECTANGLE, x, 0, rng.uniform(0.008, 0.03), 3, colours[0] * rng.choice([0.6, 1.3]), 0.7)]


def _banner(colours, busyness, rng):
  """A step-and-repeat wall: two logos in turn, made of bars and discs as words and emblems are."""
  dark = colours[0].mean() < 0.3
  inks = (np.array([0.9, 0.9, 0.9]) if dark else np.array([0.05, 0.05, 0.07]), colours[2])
  across, down = rng.uniform(0.5, 0.8), rng.uniform(0.3, 0.5)
  rows, columns = np.meshgrid(np.arange(-int(_REACH[1] / down), int(_REACH[1] / down) + 1),
                              np.arange(-int(_REACH[0] / across), int(_REACH[0] / across) + 1), indexing='ij')
  parts = []
  for i in range(2):
    logo = _logo(rng, inks[i] if rng.random() < 0.75 else inks[1 - i])
    row, column = (grid[(rows + columns) % 2 == i] for grid in (rows, columns))
    copies = np.repeat(logo[None], len(row), axis=0)
    copies[..., 1] += (across * (column + 0.5 * (row % 2)))[:, None]
    copies[..., 2] += down * row[:, None]
    parts.append(copies.reshape(-1, COLUMNS))
  return parts


def _logo(rng, ink):
  """A word of letters, perhaps with an emblem or a second line."""
  high = rng.uniform(0.04, 0.08)
  count = int(rng.integers(4, 8))
  pitch = high * rng.uniform(1.0, 1.4)
  x = (np.arange(count) - 0.5 * (count - 1)) * pitch
  second = x[rng.random(count) < 0.6]  # a letter: one or two uprights and up to three bars
  bars = np.argwhere(rng.random((count, 3)) < 0.5)
  parts = [
      _rows(RECTANGLE, np.concatenate([x - 0.3 * pitch, second + 0.2 * pitch]), 0, 0.1 * pitch, high, ink),
      _rows(RECTANGLE, x[bars[:, 0]] - 0.05 * pitch, 0.85 * high * (bars[:, 1] - 1), 0.3 * pitch, 0.15 * high, ink)]
  if rng.random() < 0.5:
    parts.append(_rows(ELLIPSE, x[0] - 1.4 * pitch, 0, 1.2 * high, 1.2 * high, ink))
    parts.append(_rows(ELLIPSE, x[0] - 1.4 * pitch, 0, 0.6 * high, 0.6 * high, 1 - ink))
  if rng.random() < 0.4:
    parts.append(_rows(RECTANGLE, 0, 1.7 * high, 0.4 * count * pitch, 0.2 * high, ink))
  return np.concatenate(parts)


def _bokeh(colours, busyness, rng):
  parts = [_blobs(rng, 1.0, (0.2, 0.6), colours, 0.25)]
  return parts + [_discs(rng, 2 + 7 * busyness, rng.uniform(0.03, 0.09), 0.5)]


def _blobs(rng, density, sizes, colours, strength):
  """Large soft things that one doesn't recognise."""
  count, x, y = _places(rng, density)
  colour = colours[rng.integers(3, size=count)] * rng.uniform(0.3, 1.3, (count, 1)) * strength
  return _rows(rng.integers(2, size=count), x, y, rng.uniform(*sizes, count), rng.uniform(*sizes, count), colour, 0.8)


def _interior(colours, busyness, rng):
  """Windows with bars, shelves with books, frames, doors, lamps."""
  parts = [_rows(RECTANGLE, 0, 3.6, 9, 2.2, colours[2] * 0.4)]  # furniture along the wall
  x = -_REACH[0]
  while x < _REACH[0]:
    thing, wide = rng.choice(4), rng.uniform(0.25, 0.6)
    if thing == 0:
      parts += _window(rng, x + wide, wide)
    elif thing == 1:
      parts += _shelf(rng, x + wide, wide)
    elif thing == 2:
      high, y = wide * rng.uniform(0.6, 1.2), rng.uniform(-0.5, 0.2)
      parts += [_rows(RECTANGLE, x + wide, y, wide * 0.7, high * 0.7, np.array([0.08, 0.05, 0.03])),
                _rows(RECTANGLE, x + wide, y, wide * 0.6, high * 0.6, colours[rng.integers(3)] * 0.8)]
    else:
      parts.append(_rows(RECTANGLE, x + wide, 0.6, wide * 0.8, 1.6, colours[1] * rng.uniform(0.2, 0.8)))
    if rng.random() < 0.4:
      glow = np.array([1.0, 0.7, 0.4])
      y = rng.uniform(-0.6, 0.2)
      parts += [_rows(ELLIPSE, x, y, 0.35, 0.35, 0.25 * glow, 0.5, 1.0), _rows(ELLIPSE, x, y, 0.1, 0.12, 1.1 * glow, 0.9)]
    x += 2 * wide + rng.uniform(0.0, 0.8) * (1.2 - busyness)
  return parts


def _window(rng, x, wide):
  high, y = rng.uniform(0.6, 1.2), rng.uniform(-0.5, 0.0)
  light = np.array([0.85, 0.93, 1.0]) * rng.uniform(0.8, 1.5)
  parts = [_rows(RECTANGLE, x, y, 1.1 * wide, 1.06 * high, 0.5 * light), _rows(RECTANGLE, x, y, wide, high, light)]
  bars = np.array([0.25, 0.23, 0.2])
  parts.append(_rows(RECTANGLE, x + wide * np.array([-1.0, 0.0, 1.0]), y, 0.02, high, bars))
  parts.append(_rows(RECTANGLE, np.full(2, x), y + high * np.array([-0.3, 0.4]), wide, 0.015, bars))
  return parts


def _shelf(rng, x, wide):
  boards = np.arange(-1.8, 1.8, 0.32)
  shape = len(boards), int(wide * 2 / 0.05)
  books, high = x + rng.uniform(-wide, wide, shape), rng.uniform(0.08, 0.13, shape)
  colour = rng.uniform(0.02, 0.3, (*shape, 1)) * np.exp(rng.normal(0, 0.6, (*shape, 3)))
  return [_rows(RECTANGLE, x, 0, wide, 2.6, np.array([0.1, 0.06, 0.035]) * rng.uniform(0.5, 2)),
          _rows(RECTANGLE, books.ravel(), (boards[:, None] - high).ravel(), 0.022, high.ravel(), colour.reshape(-1, 3)),
          _rows(RECTANGLE, np.full(len(boards), x), boards + 0.015, wide, 0.02, np.array([0.2, 0.13, 0.08]))]


def _foliage(colours, busyness, rng):
  """Trunks, dark gaps, light leaves and gaps that the sky shines through."""
  count, x, y = _places(rng, 5)
  dark = np.array([0.02, 0.035, 0.012]) * rng.uniform(0.5, 2.0, (count, 1))
  parts = [_rows(ELLIPSE, x, y, rng.uniform(0.08, 0.35, count), rng.uniform(0.06, 0.25, count), dark, 0.5)]
  if rng.random() < 0.5:
    trunks = rng.uniform(-_REACH[0], _REACH[0], 8)
    parts.append(_rows(RECTANGLE, trunks, 0, rng.uniform(0.03, 0.12, 8), 4, np.array([0.05, 0.035, 0.022])))
  count, x, y = _places(rng, 18)
  leaf = np.array([0.3, 0.45, 0.1]) * rng.uniform(0.3, 1.4, (count, 1))
  parts.append(_rows(ELLIPSE, x, y, rng.uniform(0.02, 0.07, count), rng.uniform(0.02, 0.06, count), leaf, 0.55))
  count, x, y = _places(rng, 6 * busyness)
  radius = rng.uniform(0.02, 0.06, count)
  sky = np.array([0.85, 0.95, 1.0]) * rng.uniform(0.5, 1.2, (count, 1))
  parts.append(_rows(ELLIPSE, x, y, radius, radius, sky, np.clip(0.7 - 0.4 * y, 0, 0.9)))
  return parts


def _horizon(colours, busyness, rng):
  """Sea, meadow, sand or a street below the sky, with hills or houses."""
  ground = np.array([(0.07, 0.16, 0.22), (0.14, 0.18, 0.07), (0.5, 0.42, 0.3), (0.25, 0.25, 0.26)])[rng.integers(4)]
  line = rng.uniform(-0.1, 0.35)
  x = rng.uniform(-_REACH[0], _REACH[0], 26)
  parts = []
  if rng.random() < 0.6:
    hills = np.array([0.2, 0.28, 0.3]) * rng.uniform(0.5, 1.2, (26, 1))
    parts.append(_rows(ELLIPSE, x, line, rng.uniform(0.5, 1.6, 26), rng.uniform(0.05, 0.3, 26), hills, 0.9))
  if rng.random() < 0.5:
    grey = rng.uniform(0.12, 0.55, (26, 1)) * np.array([1.0, 0.95, 0.9])
    high = rng.uniform(0.1, 0.2 + 0.8 * busyness, 26)
    parts.append(_rows(RECTANGLE, x, line - high, rng.uniform(0.1, 0.3, 26), high, grey))
  parts.append(_rows(RECTANGLE, 0, line + 5, 12, 5, ground))
  parts.append(_rows(RECTANGLE, 0, line + 0.6 + 5, 12, 5, ground * 0.8, 0.6))
  return parts


def _night(colours, busyness, rng):
  """Houses with lit windows, signs, and lamps along a street."""
  count = 30
  x = rng.uniform(-_REACH[0], _REACH[0], count)
  parts = [_rows(RECTANGLE, x, 0.6, rng.uniform(0.15, 0.45, count), rng.uniform(0.6, 2.2, count), rng.uniform(0.003, 0.05, (count, 3)))]
  count, x, y = _places(rng, 5 + 10 * busyness, (_REACH[0], 1.6))
  lit = _lamp_colours(rng, count) * rng.uniform(0.1, 0.8, (count, 1))
  parts.append(_rows(RECTANGLE, np.round(x * 11) / 11, np.round(y * 9) / 9, 0.025, 0.035, lit))
  count = 14
  signs = rng.uniform(-_REACH[0], _REACH[0], count)
  parts.append(_rows(RECTANGLE, signs, rng.uniform(-0.6, 0.6, count), rng.uniform(0.08, 0.3, count), rng.uniform(0.03, 0.12, count),
                     rng.uniform(0.02, 1.0, (count, 3))))
  return parts + [_discs(rng, 2 + 3 * busyness, rng.uniform(0.03, 0.07), 0.8, (_REACH[0], 1.0))]


def _crowd(colours, busyness, rng):
  """People far behind: a body, a head and hair each, and lamps."""
  parts = [_blobs(rng, 0.7, (0.2, 0.7), colours, 0.4)]
  for distance in (0.6, 0.8, 1.0):
    count = int(8 + 14 * busyness)
    x = rng.uniform(-_REACH[0], _REACH[0], count)
    y = rng.normal(0.3 - 0.25 / distance, 0.06, count)
    size = 0.15 * distance * rng.uniform(0.85, 1.15, count)
    cloth = rng.choice([0.02, 0.03, 0.1, 0.35], (count, 1)) * rng.uniform(0.5, 1.5, (count, 3))
    face = np.array([0.5, 0.28, 0.19]) * rng.uniform(0.2, 1.1, (count, 1))
    hair = np.array([0.06, 0.035, 0.02]) * rng.uniform(0.3, 3, (count, 1))
    people = np.stack([
        _rows(ELLIPSE, x, y + 4.2 * size, 1.7 * size, 3.1 * size, cloth), _rows(ELLIPSE, x, y - 0.15 * size, 0.85 * size, 1.1 * size, hair),
        _rows(ELLIPSE, x, y + 0.15 * size, 0.65 * size, 0.95 * size, face)], axis=1)
    parts.append(people.reshape(-1, COLUMNS))
  return parts + [_discs(rng, 0.8, 0.05, 0.5)]


_MAKERS = {'wall': _wall, 'banner': _banner, 'bokeh': _bokeh, 'interior': _interior, 'foliage': _foliage, 'horizon': _horizon,
           'night': _night, 'crowd': _crowd}
