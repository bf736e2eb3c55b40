"""One person's head: MakeHuman's targets blended, subdivided, with eyes that look somewhere, teeth, landmarks and anchors.

The shoulders are turned under the head by a rotation about the neck that grows from the chin to the collarbones.
"""

import dataclasses

import numpy as np

from data_pipeline.people import expression as expression_lib
from data_pipeline.people import head_model as head_model_lib
from data_pipeline.people import shape as shape_lib
from data_pipeline.people import surfaces
from data_pipeline.people import traits as traits_lib

_JAW_SLOPE = np.float32(0.583)  # the jaw's plane: y + slope * z is 6.97 on it
_TURN_TOP, _TURN_BOTTOM = np.float32(6.85), np.float32(5.9)  # values of that sum between which the body's rotation grows
_NECK = np.array([0, 6.5, 0.1], np.float32)  # what the body turns about
_EYE_RINGS, _EYE_SECTORS = 18, 28


@dataclasses.dataclass(frozen=True)
class Eye:
  """An eyeball.

  Attributes:
    centre: [3].
    radius: of the white, decimetres.
    axes: [3, 3] rows: the eye's x, y and its gaze, unit vectors.
  """

  centre: np.ndarray
  radius: float
  axes: np.ndarray


@dataclasses.dataclass(frozen=True)
class Head:
  """A shaped head in model space.

  Attributes:
    model: what is the same of every head.
    vertices: [vertices, 3] of the skin (head, neck, shoulders, chest, inner mouth), as `model.skin` has them.
    normals: [vertices, 3] unit.
    left_eye, right_eye: the person's.
    landmarks: [68, 3].
    body_rotation: [3, 3] what turned the shoulders (`turned_body` applies it to other things).
    teeth: vertices of the upper teeth, the lower teeth and the tongue, as `model` has them.
  """

  model: head_model_lib.HeadModel
  vertices: np.ndarray
  normals: np.ndarray
  left_eye: Eye
  right_eye: Eye
  landmarks: np.ndarray
  body_rotation: np.ndarray
  teeth: tuple[np.ndarray, np.ndarray, np.ndarray]

  def at(self, point: tuple[float, float, float], among: np.ndarray | None = None) -> int:
    """Number of the skin's vertex that lies nearest to a point of the neutral head (`model.template`)."""
    distance = np.square(self.model.template - np.asarray(point, np.float32)).sum(axis=1)
    return int(np.argmin(distance if among is None else np.where(among, distance, np.inf)))

  def anchor(self, point: tuple[float, float, float]) -> np.ndarray:
    """[3] where a point given on or near the neutral head has moved to: it follows the nearest vertex of the skin."""
    vertex = self.at(point)
    return self.vertices[vertex] + np.asarray(point, np.float32) - self.model.template[vertex]

  def displaced(self, points: np.ndarray) -> np.ndarray:
    """[..., 3] points on or near the neutral head, moved along with the skin around them (the mean of the four nearest vertices)."""
    flat = np.asarray(points, np.float32).reshape(-1, 3)
    distance, nearest = self.model.tree.query(flat, k=4)
    weight = 1 / (distance + 1e-3)
    weight /= weight.sum(axis=1, keepdims=True)
    moved = (self.vertices - self.model.template)[nearest]
    return (flat + (weight[..., None] * moved).sum(axis=1)).reshape(np.shape(points)).astype(np.float32)

  def turned_body(self, points: np.ndarray) -> np.ndarray:
    """[..., 3] points turned as the body under the head is, by as much as their height says."""
    return _turn_body(points, self.body_rotation)


def build(
    model: head_model_lib.HeadModel, traits: traits_lib.Traits, shape: shape_lib.Shape, expression: expression_lib.Expression,
) -> Head:
  """The head of somebody with an expression."""
  assets = model.assets
  coarse = assets.shaped(shape_lib.macro_targets(traits))
  coarse += _eye_midpoint(assets, assets.vertices) - _eye_midpoint(assets, coarse)  # tall people's eyes are where everybody's are
  coarse = assets.shaped(expression_lib.targets(expression), coarse)
  for region, weights in shape_lib.targets(shape).items():
    if region in model.reach:
      coarse += model.reach[region][:, None] * assets.shaped(weights, np.zeros_like(coarse))
    else:
      coarse = assets.shaped(weights, coarse)
  rotation = _rotation(expression.body_yaw, expression.body_roll)
  coarse = _turn_body(coarse, rotation)
  vertices = model.skin.fine(coarse)
  eyes = [_eye(assets, coarse, f'helper-{side}-eye', expression) for side in 'lr']
  return Head(
      model=model, vertices=vertices, normals=surfaces.vertex_normals(vertices, model.skin.triangles), left_eye=eyes[0],
      right_eye=eyes[1], landmarks=vertices[model.landmarks], body_rotation=rotation,
      teeth=tuple(part.fine(coarse) for part in (model.upper_teeth, model.lower_teeth, model.tongue)))


def eye_mesh(eye: Eye, label: int) -> surfaces.Mesh:
  """An eyeball with a cornea that bulges; what colour it is, `shading` paints by the angle to the gaze."""
  ring = np.linspace(0, np.pi, _EYE_RINGS) ** 1.15 / np.pi ** 0.15  # angles from the gaze, denser at the cornea
  sector = np.linspace(0, 2 * np.pi, _EYE_SECTORS, endpoint=False)
  bulge = 1 + 0.07 * np.exp(-np.square(ring / 0.36))
  ring_, sector_ = np.meshgrid(ring, sector, indexing='ij')
  local = np.stack([np.sin(ring_) * np.cos(sector_), np.sin(ring_) * np.sin(sector_), np.cos(ring_)], axis=-1) * bulge[:, None, None]
  local = local.reshape(-1, 3).astype(np.float32)
  vertices = eye.centre + eye.radius * local @ eye.axes
  index = np.arange(_EYE_RINGS * _EYE_SECTORS).reshape(_EYE_RINGS, _EYE_SECTORS)
  a, b = index[:-1], index[1:]
  a2, b2 = np.roll(a, -1, axis=1), np.roll(b, -1, axis=1)
  triangles = np.concatenate([np.stack([a, b, b2], -1).reshape(-1, 3), np.stack([a, b2, a2], -1).reshape(-1, 3)]).astype(np.int32)
  vertices = vertices.astype(np.float32)
  return surfaces.Mesh(
      vertices=vertices, triangles=triangles, normals=surfaces.vertex_normals(vertices, triangles), colours=local,
      label=np.full(len(triangles), label, np.uint8), specular=0.04, shininess=400.0)


def _eye_midpoint(assets, vertices: np.ndarray) -> np.ndarray:
  numbers = [assets.groups.index(f'helper-{side}-eye') for side in 'lr']
  return np.mean([vertices[np.unique(assets.quads[assets.group == number])].mean(axis=0) for number in numbers], axis=0)


def _eye(assets, coarse: np.ndarray, group: str, expression: expression_lib.Expression) -> Eye:
  """The sphere through the eyeball's vertices, by least squares, and where it looks."""
  points = coarse[np.unique(assets.quads[assets.group == assets.groups.index(group)])].astype(np.float64)
  points = points[points[:, 2] < np.quantile(points[:, 2], 0.7)]  # without the cornea
  middle = points.mean(axis=0)
  system = np.concatenate([2 * (points - middle), np.ones((len(points), 1))], axis=1)
  solution = np.linalg.lstsq(system, np.square(points - middle).sum(axis=1), rcond=None)[0]
  centre = middle + solution[:3]
  radius = np.sqrt(solution[3] + np.square(solution[:3]).sum())
  yaw, pitch = expression.gaze_yaw, expression.gaze_pitch
  gaze = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
  x_axis = np.cross([0, 1, 0], gaze)
  x_axis /= np.linalg.norm(x_axis)
  return Eye(centre.astype(np.float32), float(radius), np.stack([x_axis, np.cross(gaze, x_axis), gaze]).astype(np.float32))


def _rotation(yaw: float, roll: float) -> np.ndarray:
  about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
  about_z = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
  return (about_y @ about_z).astype(np.float32)


def _turn_body(points: np.ndarray, rotation: np.ndarray) -> np.ndarray:
  """Points turned about the neck, by more the further they lie below the plane of the jaw."""
  points = np.asarray(points, np.float32)
  height = points[..., 1:2] + _JAW_SLOPE * points[..., 2:3]
  amount = np.clip((_TURN_TOP - height) / (_TURN_TOP - _TURN_BOTTOM), 0, 1)
  amount = amount * amount * (3 - 2 * amount)
  return points + amount * ((points - _NECK) @ (rotation - np.eye(3, dtype=np.float32)).T)
