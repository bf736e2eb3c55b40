"""Pictures of people: colours, labels, depth, normals and landmarks from 2 x 2 samples a pixel.

A pixel's colour is the mean of its samples' linear light, its label their majority (small classes win a
tie), its depth and normal those of the nearest sample of that label. Camera: `cnerf_jax.camera.orbit`, here in NumPy.
"""

import dataclasses

from jaxtyping import Float32
from jaxtyping import UInt8
import numba
import numpy as np

from cnerf_jax import camera as camera_lib
from data_pipeline.people import backgrounds
from data_pipeline.people import head_model as head_model_lib
from data_pipeline.people import lighting
from data_pipeline.people import person as person_lib
from data_pipeline.people import rasterizer
from data_pipeline.people import scene as scene_lib
from data_pipeline.people import shading

_SAMPLES = 2  # a pixel's side
_FOCAL = float(0.5 / np.tan(camera_lib.HALF_FIELD_OF_VIEW_RADIANS))
_SKIN = 1  # label of beards and lashes too
_NARROWEST, _NARROWEST_ON_SKIN = 0.55, 0.3  # half width of a strand, samples; on skin single hairs may be lost
# Which label wins a pixel that two share half and half: the later one.
_TIE_ORDER = np.argsort([0, 18, 1, 17, 13, 14, 16, 8, 9, 12, 11, 10, 2, 3, 6, 7, 15, 4, 5]).astype(np.int32)
_NO_IRIS = np.zeros((1, 1, 3), np.float32)


@dataclasses.dataclass(frozen=True)
class Framing:
  """How a detector's crop differs from the exact one; the default is exact.

  Attributes:
    shift_x, shift_y: to the right and down, fractions of the picture's side.
    zoom: factor on lengths.
    roll_radians: clockwise.
  """

  shift_x: float = 0.0
  shift_y: float = 0.0
  zoom: float = 1.0
  roll_radians: float = 0.0


@dataclasses.dataclass(frozen=True)
class Picture:
  """One portrait and its truth.

  Attributes:
    image: display RGB.
    label: CelebAMask-HQ's integers, 0 to 18.
    depth: world units along the camera's axis; `camera.FAR` in the background, which the back of a turned head and shoulders may lie behind.
    normal: world, unit; zeros in the background.
    landmarks: pixel x, pixel y (the centre of the upper left pixel is at 0.5, 0.5), depth in world units.
  """

  image: UInt8[np.ndarray, 'size size 3']
  label: UInt8[np.ndarray, 'size size']
  depth: Float32[np.ndarray, 'size size']
  normal: Float32[np.ndarray, 'size size 3']
  landmarks: Float32[np.ndarray, '68 3']


def render(
    person: person_lib.Person, viewpoint: tuple[float, float], *, image_size: int, framing: Framing = Framing(), assets: str | None = None,
) -> Picture:
  """A person seen from a viewpoint (azimuth, elevation; radians); several views of one are cheaper with `scene.build` and `draw`."""
  return draw(scene_lib.build(person, image_size=image_size, assets=assets), viewpoint, image_size=image_size, framing=framing)


def draw(scene: scene_lib.Scene, viewpoint: tuple[float, float], *, image_size: int, framing: Framing = Framing()) -> Picture:
  """A scene seen from a viewpoint."""
  view = _View(scene, viewpoint, _SAMPLES * image_size, framing)
  size = view.size
  depth, primitive, weights = rasterizer.buffers(size)
  starts = _rasterize(scene, view, depth, primitive, weights)
  seen = _Seen(size)
  _gather(scene, view, primitive, weights, starts, seen)
  linear = np.empty((size, size, 3), np.float32)
  linear[...] = _background(scene, viewpoint, size, framing)
  _illuminate(scene, view, seen, linear)
  _draw_lenses(scene, view, depth, seen, linear)
  image, label, depth, normal = _resolve(linear, seen.label, depth, seen.normal, seen.kind, _TIE_ORDER, image_size)
  landmarks = view.project(scene.head.landmarks)
  landmarks[:, :2] /= _SAMPLES
  return Picture(lighting.tone_map(image, scene.lighting), label, np.where(label == 0, np.float32(camera_lib.FAR), depth), normal, landmarks)


class _View:
  """Where model space lies in the picture: projection and its inverse scale."""

  def __init__(self, scene: scene_lib.Scene, viewpoint: tuple[float, float], size: int, framing: Framing):
    azimuth, elevation = viewpoint
    z_axis = np.array([np.cos(elevation) * np.sin(azimuth), np.sin(elevation), np.cos(elevation) * np.cos(azimuth)])
    x_axis = np.array([np.cos(azimuth), 0, -np.sin(azimuth)])
    self.axes = np.stack([x_axis, np.cross(z_axis, x_axis), z_axis]).astype(np.float32)
    self.size = size
    self._origin, self._scale, self._framing = scene.origin, np.float32(scene.scale), framing
    self.eye_position = (scene.origin + z_axis / scene.scale).astype(np.float32)
    self.radius_scale = np.float32(scene.scale * _FOCAL * framing.zoom * size)  # samples per decimetre at the origin

  def project(self, points: np.ndarray) -> np.ndarray:
    """[..., 3] (x, y in samples, depth in world units) of model-space points."""
    local = (points - self._origin) @ self.axes.T * self._scale
    depth = 1 - local[..., 2]
    x, y = _FOCAL * local[..., 0] / depth, -_FOCAL * local[..., 1] / depth
    framing = self._framing
    cosine, sine = framing.zoom * np.cos(framing.roll_radians), framing.zoom * np.sin(framing.roll_radians)
    out = np.empty_like(local)
    out[..., 0] = self.size * (0.5 + framing.shift_x + cosine * x - sine * y)
    out[..., 1] = self.size * (0.5 + framing.shift_y + sine * x + cosine * y)
    out[..., 2] = depth
    return out


class _Seen:
  """What every sample sees."""

  def __init__(self, size: int):
    self.kind = np.zeros((size, size), np.uint8)
    self.position, self.normal, self.tangent, self.albedo, self.received = (np.empty((size, size, 3), np.float32) for _ in range(5))
    self.gloss = np.empty((size, size, 2), np.float32)
    self.label = np.zeros((size, size), np.uint8)


def _rasterize(scene, view, depth, primitive, weights) -> list[int]:
  """Fills the z-buffer; returns the first primitive of the skin, each eyeball, each mesh, each bundle of strands."""
  skin = scene.head.model.skin
  starts, first = [], 0
  for vertices, triangles, both_sides in [(scene.head.vertices, skin.triangles, False)] + [
      (mesh.vertices, mesh.triangles, True) for mesh in (*scene.eyeballs, *scene.meshes)]:
    rasterizer.draw_triangles(view.project(vertices), triangles, first, depth, primitive, weights, both_sides)
    starts.append(first)
    first += len(triangles)
  opaque = depth.copy()
  for strands in scene.strands:
    rasterizer.draw_strands(
        view.project(strands.points), strands.radius * view.radius_scale, first, depth, primitive, weights,
        _NARROWEST_ON_SKIN if strands.label == _SKIN else _NARROWEST, opaque)
    starts.append(first)
    first += strands.points.shape[0] * (strands.points.shape[1] - 1)
  return starts


def _gather(scene, view, primitive, weights, starts, seen) -> None:
  model = scene.head.model
  out = (seen.kind, seen.position, seen.normal, seen.albedo, seen.gloss, seen.label, seen.received)
  shading.gather_skin(
      primitive, weights, starts[0], model.skin.triangles, scene.head.vertices, scene.head.normals, model.chart,
      scene.irradiance[0], scene.texture, scene.inner_mouth, model.scores, np.array(head_model_lib.SCORED_LABELS, np.uint8), *out)
  meshes = (*scene.eyeballs, *scene.meshes)
  for number, mesh in enumerate(meshes):
    iris = scene.iris if number < len(scene.eyeballs) else _NO_IRIS
    shading.gather_mesh(
        primitive, weights, starts[1 + number], mesh.triangles, mesh.vertices, mesh.normals, mesh.colours, mesh.label,
        scene.irradiance[1 + number], np.float32(mesh.specular), np.float32(mesh.shininess), iris, *out)
  for number, strands in enumerate(scene.strands):
    shading.gather_strands(
        primitive, weights, starts[1 + len(meshes) + number], strands.points, strands.colours,
        scene.strand_irradiance[number], np.float32(strands.specular), np.uint8(strands.label),
        view.eye_position, *out, seen.tangent)


def _background(scene, viewpoint, size: int, framing: Framing) -> np.ndarray:
  """Painted at the picture's resolution: it is out of focus."""
  painted = backgrounds.paint(
      scene.background, size // _SAMPLES, *viewpoint, shift=(framing.shift_x, framing.shift_y), zoom=framing.zoom,
      roll=framing.roll_radians)
  return painted.repeat(_SAMPLES, axis=0).repeat(_SAMPLES, axis=1)


def _illuminate(scene, view, seen, linear) -> None:
  maps = scene.shadow_maps
  shading.illuminate(
      seen.kind, seen.position, seen.normal, seen.tangent, seen.albedo, seen.gloss, seen.received, view.eye_position,
      scene.lights.directions, scene.lights.colours, scene.softness, scene.penumbra, maps.axes, maps.key, linear)


def _draw_lenses(scene, view, depth, seen, linear) -> None:
  """Blends what is not opaque over the picture, and lets its label win."""
  for mesh, received in zip(scene.lenses, scene.irradiance[-len(scene.lenses):]):
    nearest, primitive, weights = depth.copy(), np.full(depth.shape, rasterizer.NOTHING, np.int32), np.zeros((*depth.shape, 2), np.float32)
    rasterizer.draw_triangles(view.project(mesh.vertices), mesh.triangles, 0, nearest, primitive, weights, True)
    glass = _Seen(view.size)
    shading.gather_mesh(
        primitive, weights, 0, mesh.triangles, mesh.vertices, mesh.normals, mesh.colours, mesh.label, received,
        np.float32(mesh.specular), np.float32(mesh.shininess), _NO_IRIS, glass.kind, glass.position, glass.normal, glass.albedo, glass.gloss,
        glass.label, glass.received)
    tinted = linear.copy()
    _illuminate(scene, view, glass, tinted)
    hit = primitive >= 0
    linear[hit] = (1 - mesh.opacity) * linear[hit] + mesh.opacity * tinted[hit]
    seen.label[hit], depth[hit], seen.kind[hit] = glass.label[hit], nearest[hit], glass.kind[hit]
    seen.normal[hit] = glass.normal[hit]


@numba.njit(cache=True, nogil=True)
def _resolve(linear, label, depth, normal, kind, order, image_size):
  """Pixels from 2 x 2 samples: mean colour (samples held at 2: a highlight is not a lamp), winning label, its depth and normal."""
  colours = np.empty((image_size, image_size, 3), np.float32)
  labels = np.empty((image_size, image_size), np.uint8)
  depths = np.empty((image_size, image_size), np.float32)
  normals = np.zeros((image_size, image_size, 3), np.float32)
  counts = np.zeros(19, np.int32)
  for y in range(image_size):
    for x in range(image_size):
      counts[:] = 0
      for i in range(3):
        total = np.float32(0)
        for dy in range(2):
          for dx in range(2):
            total += min(linear[2 * y + dy, 2 * x + dx, i], np.float32(2.0))
        colours[y, x, i] = total * np.float32(0.25)
      for dy in range(2):
        for dx in range(2):
          counts[label[2 * y + dy, 2 * x + dx]] += 1
      best = 0
      for candidate in range(1, 19):
        if counts[candidate] > counts[best] or (counts[candidate] == counts[best] and order[candidate] > order[best]):
          best = candidate
      labels[y, x] = best
      nearest = np.float32(np.inf)
      for dy in range(2):
        for dx in range(2):
          if label[2 * y + dy, 2 * x + dx] == best and depth[2 * y + dy, 2 * x + dx] < nearest:
            nearest = depth[2 * y + dy, 2 * x + dx]
            if kind[2 * y + dy, 2 * x + dx] != shading.BACKGROUND:
              for i in range(3):
                normals[y, x, i] = normal[2 * y + dy, 2 * x + dx, i]
      depths[y, x] = nearest
  return colours, labels, depths, normals
