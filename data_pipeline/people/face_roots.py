"""Where hair of the face is rooted: random points of the skin, and how directions there are carried to a head.

A direction of the neutral head becomes, on somebody's head, the same combination of the edges and the normal of its triangle.
"""

import dataclasses
import functools

from jaxtyping import Float
import numpy as np

from data_pipeline.people import head as head_lib
from data_pipeline.people import head_model as head_model_lib

POINTS = 4  # of a strand


@dataclasses.dataclass(frozen=True)
class Pool:
  """Points of the skin.

  Attributes:
    corners: [n, 3] vertices around each.
    weights: [n, 3] of them.
    place: [n, 3] on the neutral head.
    normal: [n, 3] there.
    inverse: [n, 3, 3] from directions there to coefficients of two edges and the normal.
  """

  corners: np.ndarray
  weights: np.ndarray
  place: np.ndarray
  normal: np.ndarray
  inverse: np.ndarray

  def frames(self, chosen: np.ndarray, head: head_lib.Head) -> tuple[np.ndarray, np.ndarray]:
    """Places [m, 3] on a head, and what carries directions of the neutral head there [m, 3, 3]."""
    corner = head.vertices[self.corners[chosen]]
    return (corner * self.weights[chosen][..., None]).sum(axis=1), _frame(corner) @ self.inverse[chosen]


@dataclasses.dataclass(frozen=True)
class Pools:
  """Roots around the eyes, and below them."""

  brows: Pool
  beard: Pool


@functools.lru_cache(maxsize=2)
def pools(model: head_model_lib.HeadModel) -> Pools:
  """Where hair may grow in the face of a head model."""
  x, y, z = model.template.T
  skin = np.abs(x) < 0.82
  lips = np.maximum(model.scores[:, head_model_lib.UPPER_LIP], model.scores[:, head_model_lib.LOWER_LIP])
  ears = np.maximum(model.scores[:, head_model_lib.LEFT_EAR], model.scores[:, head_model_lib.RIGHT_EAR])
  outside = (lips < 0.1) & (model.scores[:, head_model_lib.MOUTH] < 0) & (ears < 0) & (model.scores[:, head_model_lib.NOSE] < 0.02)
  return Pools(
      _pool(model, (y > 7.25) & (y < 7.6) & (np.abs(x) < 0.62) & (z > 1.1), 9000, 1),
      _pool(model, skin & outside & (y > 5.95) & (y < 7.35) & (z > 0.45), 26000, 2))


def _pool(model: head_model_lib.HeadModel, among: np.ndarray, count: int, seed: int) -> Pool:
  rng = np.random.Generator(np.random.PCG64(seed))
  triangles = model.skin.triangles[among[model.skin.triangles].all(axis=1)]
  corner = model.template[triangles]
  area = np.linalg.norm(np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]), axis=1)
  cumulated = np.cumsum(area) / area.sum()
  number = np.minimum(np.searchsorted(cumulated, rng.random(count)), len(area) - 1)
  u, v = rng.random((2, count))
  u, v = np.where(u + v > 1, 1 - u, u), np.where(u + v > 1, 1 - v, v)
  weights = np.stack([1 - u - v, u, v], axis=1).astype(np.float32)
  frame = _frame(corner[number])
  return Pool(triangles[number], weights, (corner[number] * weights[..., None]).sum(axis=1), frame[:, :, 2],
               np.linalg.inv(frame.astype(np.float64)).astype(np.float32))


def _frame(corner: np.ndarray) -> np.ndarray:
  """[n, 3, 3] columns: two edges of each triangle and its unit normal."""
  first, second = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
  normal = np.cross(first, second)
  normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
  return np.stack([first, second, normal], axis=2)


def rooted(pool: Pool, chosen: np.ndarray, head: head_lib.Head, direction: np.ndarray, length: np.ndarray, lift: np.ndarray,
            droop: float = 0.0) -> Float[np.ndarray, 'm points 3']:
  """[m, points, 3] strands that leave the skin along `direction` ([m, 3], neutral head), lifted off it, drooping."""
  normal = pool.normal[chosen]
  along = direction - (direction * normal).sum(axis=1, keepdims=True) * normal
  along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-6)
  place, carry = pool.frames(chosen, head)
  along = np.einsum('nij,nj->ni', carry, along)
  out = np.einsum('nij,nj->ni', carry, normal)
  part = np.linspace(0, 1, POINTS)[:, None]
  rise = (lift[:, None, None] * part * (1 - 0.45 * part))
  points = place[:, None] + length[:, None, None] * (part * along[:, None] + rise * out[:, None])
  points[..., 1] -= droop * length[:, None] * np.square(part[:, 0])
  return points.astype(np.float32)
