"""A person as what can be drawn: meshes, strands, textures and lights with their shadows, all independent of the camera."""

import dataclasses

import numba
import numpy as np

from data_pipeline.people import backgrounds
from data_pipeline.people import clothing
from data_pipeline.people import eyes
from data_pipeline.people import facial_hair
from data_pipeline.people import glasses
from data_pipeline.people import hair
from data_pipeline.people import hats
from data_pipeline.people import head as head_lib
from data_pipeline.people import head_model as head_model_lib
from data_pipeline.people import jewellery
from data_pipeline.people import lighting
from data_pipeline.people import person as person_lib
from data_pipeline.people import shading
from data_pipeline.people import shadows
from data_pipeline.people import skin
from data_pipeline.people import surfaces
from data_pipeline.people import teeth

_LEFT_EYE, _RIGHT_EYE = 4, 5  # CelebAMask-HQ's labels
_TOO_SMALL = (10, 15, 16)  # labels of what casts no shadow to speak of: teeth, earrings, necklaces
_SOFTNESS, _PENUMBRA = 0.5, 0.35  # decimetres for each radian of a light's size
_LEAST_PENUMBRA = 0.05  # decimetres: or strands would cast stripes
_CHART_HEIGHT = head_model_lib.CHART_TOP - head_model_lib.CHART_BOTTOM
_CHART_RADIUS = 1.0  # decimetres from the chart's axis to a face
CROP_WORLD = float(2 * np.tan(6.0 * np.pi / 180.0))  # side of the picture at the origin, world units (`camera`)


@dataclasses.dataclass(frozen=True)
class Scene:
  """A person to be drawn.

  Attributes:
    head: the shaped head.
    texture: [rows, columns, 6] of the skin: linear albedo, slope sideways, slope downwards, factor on the highlight.
    inner_mouth: [3] linear albedo behind the lips.
    iris: [radii, angles, 3] of the eyeballs.
    eyeballs: the two, left first.
    meshes: the opaque rest.
    lenses: what one looks through.
    strands: hair, brows, lashes, beard.
    lights: where light comes from.
    softness: [lights] decimetres behind what shades them at which points are dark.
    penumbra: how wide the border of the key light's shadow is, decimetres.
    shadow_maps: of those lights.
    irradiance: what the fills bring to the vertices of the skin, the eyeballs, the meshes and the lenses, in this order.
    strand_irradiance: and to the points of each bundle of strands.
    background: what is painted behind.
    lighting: how linear colour becomes a picture.
    origin: [3] model-space point that the camera looks at.
    scale: world units per decimetre.
  """

  head: head_lib.Head
  texture: np.ndarray
  inner_mouth: np.ndarray
  iris: np.ndarray
  eyeballs: tuple[surfaces.Mesh, surfaces.Mesh]
  meshes: list[surfaces.Mesh]
  lenses: list[surfaces.Mesh]
  strands: list[surfaces.Strands]
  lights: lighting.Lights
  softness: np.ndarray
  penumbra: float
  shadow_maps: shadows.ShadowMaps
  irradiance: list[np.ndarray]
  strand_irradiance: list[np.ndarray]
  background: backgrounds.Background
  lighting: lighting.Lighting
  origin: np.ndarray
  scale: float


def build(
    person: person_lib.Person, *, image_size: int, aligned_as: person_lib.Person | None = None, assets: str | None = None,
) -> Scene:
  """The scene of a person.

  Args:
    person: who.
    image_size: as much detail is built as pictures of this many pixels show.
    aligned_as: crop as this person is cropped; for edits, which must not move the camera.
    assets: see `assets.load`.
  """
  model = head_model_lib.load(assets)
  head = head_lib.build(model, person.traits, person.shape, person.expression)
  texture = skin.paint(person.skin, model, image_size)
  eyeballs = (head_lib.eye_mesh(head.left_eye, _LEFT_EYE), head_lib.eye_mesh(head.right_eye, _RIGHT_EYE))
  worn = _worn(person, head)
  hat_line = hats.hat_line(person.hat, head) if person.hat else None
  hair_parts = hair.build(person.hair, head, detail=image_size, hat_line=hat_line)
  strands = [part for part in hair_parts if isinstance(part, surfaces.Strands)]
  meshes = [part for part in hair_parts if isinstance(part, surfaces.Mesh)] + [mesh for mesh in worn if mesh.opacity == 1]
  strands += facial_hair.build(person.brows, person.beard, head, detail=image_size)
  meshes += teeth.build(head)
  lights = lighting.lights(person.lighting)
  softness = (0.05 + _SOFTNESS * lights.sizes).astype(np.float32)
  skin_mesh = surfaces.Mesh(head.vertices, model.skin.triangles, head.normals, head.vertices, np.zeros(0, np.uint8))
  framed = head if aligned_as is None else head_lib.build(model, aligned_as.traits, aligned_as.shape, aligned_as.expression)
  origin, side = alignment(framed.landmarks)
  lenses = [mesh for mesh in worn if mesh.opacity < 1]
  maps = shadows.cast(
      lights.directions, [skin_mesh, *(mesh for mesh in meshes if mesh.label[0] not in _TOO_SMALL)], strands,
      key_size=min(max(192, 3 * image_size // 2), 512), fill_size=72)
  irradiance = [
      shading.irradiate(mesh.vertices, mesh.normals, lights.directions, lights.colours, softness, lights.sky, lights.ground, maps.axes,
                        maps.fills, mesh is skin_mesh)
      for mesh in (skin_mesh, *eyeballs, *meshes, *lenses)]
  strand_irradiance = [
      shading.irradiate_strands(one.points, lights.directions, lights.colours, softness, lights.sky, lights.ground, maps.axes, maps.fills)
      for one in strands]
  return Scene(
      head=head, texture=_texture(texture.albedo, texture.height, texture.gloss),
      inner_mouth=np.asarray(skin.inner_mouth(person.skin), np.float32), iris=eyes.paint(person.eyes), eyeballs=eyeballs,
      meshes=meshes, lenses=lenses, strands=strands, lights=lights, softness=softness,
      penumbra=max(_LEAST_PENUMBRA, float(_PENUMBRA * lights.sizes[0])),
      shadow_maps=maps, irradiance=irradiance, strand_irradiance=strand_irradiance, background=person.background,
      lighting=person.lighting, origin=origin, scale=CROP_WORLD / side)


def alignment(landmarks: np.ndarray) -> tuple[np.ndarray, float]:
  """Centre [3] and side of the crop that CelebA-HQ's alignment takes, from 68 landmarks; decimetres."""
  left, right = landmarks[42:48].mean(axis=0), landmarks[36:42].mean(axis=0)
  eyes_middle, mouth = (left + right) / 2, (landmarks[48] + landmarks[54]) / 2
  side = max(4.0 * np.linalg.norm(left - right), 3.6 * np.linalg.norm(mouth - eyes_middle))
  return (eyes_middle + 0.1 * (mouth - eyes_middle)).astype(np.float32), float(side)


def _worn(person: person_lib.Person, head: head_lib.Head) -> list[surfaces.Mesh]:
  parts = ((glasses.build, person.glasses), (hats.build, person.hat), (jewellery.build_earrings, person.earrings),
           (jewellery.build_necklace, person.necklace), (clothing.build, person.clothing))
  return [mesh for build_part, part in parts if part is not None for mesh in build_part(part, head)]


@numba.njit(cache=True, nogil=True)
def _texture(albedo: np.ndarray, height: np.ndarray, gloss: np.ndarray) -> np.ndarray:
  """What the shader reads of the skin: albedo, slopes of its fine relief, gloss."""
  rows, columns = height.shape
  sideways, down = np.float32(columns / (4 * np.pi * _CHART_RADIUS)), np.float32(rows / (2 * _CHART_HEIGHT))
  texture = np.empty((rows, columns, 6), np.float32)
  for row in range(rows):
    above, below = max(row - 1, 0), min(row + 1, rows - 1)
    for column in range(columns):
      for channel in range(3):
        texture[row, column, channel] = albedo[row, column, channel]
      right = column + 1 if column + 1 < columns else 0
      texture[row, column, 3] = (height[row, right] - height[row, column - 1]) * sideways
      texture[row, column, 4] = (height[below, column] - height[above, column]) * down
      texture[row, column, 5] = gloss[row, column]
  return texture
