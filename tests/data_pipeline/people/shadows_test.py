"""Shadow maps: what lies under something is dark, what lies beside it is not, and large lights have soft borders."""

import numpy as np
import pytest

from data_pipeline.people import shadows
from data_pipeline.people import surfaces

ABOVE = np.array([[0, 1, 0], [0, 1, 0]], np.float32)  # the key light and a fill, both from straight above
ROOF = 0.5  # decimetres: half the side of a square roof
HEIGHT = 0.8  # of the roof over the middle of the scene


@pytest.fixture(scope='module')
def maps():
  """Of a level square roof."""
  corners = shadows.CENTRE + np.array([[-ROOF, HEIGHT, -ROOF], [ROOF, HEIGHT, -ROOF], [ROOF, HEIGHT, ROOF], [-ROOF, HEIGHT, ROOF]], np.float32)
  triangles = np.array([[0, 2, 1], [0, 3, 2]], np.int32)
  roof = surfaces.Mesh(corners, triangles, np.tile(np.float32([0, 1, 0]), (4, 1)), corners, np.zeros(2, np.uint8))
  return shadows.cast(ABOVE, [roof], [], key_size=256, fill_size=128)


def light(maps, x, below, *, penumbra=0.02):
  """(key, fill) light at a point x to the side of the middle and so far below the roof."""
  px, py, pz = shadows.CENTRE + np.float32([x, HEIGHT - below, 0])
  key = [shadows.lit_by_area(maps.key, maps.axes[0], px, py, pz, 0.1, 0.03, penumbra, phase) for phase in range(4)]
  return float(np.mean(key)), float(shadows.lit(maps.fills[0], maps.axes[1], px, py, pz, 0.1, 0.03))


def test_dark_under_the_roof_and_bright_beside_and_above_it(maps):
  """The sign of depth, the place in the map, and both lookups."""
  assert light(maps, 0.0, 0.6) == (0.0, 0.0)
  assert light(maps, ROOF + 0.2, 0.6) == (1.0, 1.0)
  assert light(maps, 0.0, -0.2) == (1.0, 1.0)


def test_roof_does_not_shade_itself(maps):
  """A point on what was drawn is lit."""
  assert light(maps, 0.1, 0.0) == (1.0, 1.0)


def test_border_is_as_wide_as_the_light(maps):
  """Near the border of the shadow a large light is partly seen, where a small one is seen or not."""
  inside = ROOF - 0.12
  assert light(maps, inside, 0.6, penumbra=0.02)[0] == 0.0
  assert 0.0 < light(maps, inside, 0.6, penumbra=0.4)[0] < 1.0


def test_strands_cast_shadows():
  """A mat of strands is as good as a roof."""
  across = np.linspace(-ROOF, ROOF, 60, dtype=np.float32)
  points = np.stack([np.stack([np.full(4, x), np.full(4, HEIGHT), np.linspace(-ROOF, ROOF, 4)], axis=1) for x in across]).astype(np.float32)
  mat = surfaces.Strands(points + shadows.CENTRE, np.full((60, 4), 0.02, np.float32), np.zeros((60, 3), np.float32), 13)
  maps = shadows.cast(ABOVE, [], [mat], key_size=256, fill_size=128)
  assert light(maps, 0.0, 0.6)[0] < 0.2
  assert light(maps, ROOF + 0.3, 0.6) == (1.0, 1.0)
