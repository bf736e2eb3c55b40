"""A portrait as triangles: the whole head, and each semantic class's part of it, coloured as pictures show them.

  portrait = portrait_mesh.mesh(model, model.draw_styles(jax.random.key(1), 1)[0])
  mesh_files.write('head.glb', portrait)

Axes, scale and origin are the model's own, and the axes glTF's: y up, the face looks along +z, x to the right of who looks at it. The origin is
where the cameras of training look, in the middle of the head; they circle at distance 1. A head is about .2 high: a unit is about a metre.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Array, Float, Int

from cnerf_jax import camera as camera_lib
from cnerf_jax import sampler
from cnerf_jax import semantics
from cnerf_jax.meshing import appearance
from cnerf_jax.meshing import class_parts
from cnerf_jax.meshing import distance_grid
from cnerf_jax.meshing import extras
from cnerf_jax.meshing import point_chunks
from cnerf_jax.meshing import stopping_level
from cnerf_jax.meshing import texture_atlas
from cnerf_jax.meshing import triangles as triangles_lib
from cnerf_jax.meshing import visual_hull

RESOLUTION = 128  # points of a side; a cell is .0019, half a pixel of a 64x64 picture
LARGEST_RESOLUTION = 1024
_HALF_SIDE = (camera_lib.FAR - camera_lib.NEAR) / 2
BOX = distance_grid.Box((-_HALF_SIDE,) * 3, (_HALF_SIDE,) * 3)  # the networks' [-1, 1]; pictures are as wide
# Where the background is kept no outline says which rays to follow: a face has the depth of level 0; its outline, whose fog rays pass for long,
# that of 2 or 3 times density_beta. 2 keeps the outline, and all of the face equally far in front.
LEVEL_IN_BETAS = 2.0
THICKNESS = 0.008  # of a class's shell, world units: about 8 mm, as a unit is about a metre
LARGEST_VIEW_IN_STDS = 2.0  # colours are of views within so many standard deviations of the cameras of training
BACKGROUND = 'background'
_PAINTERS = 32  # vertices whose colours such a vertex averages, nearer ones more
LARGEST_TINT = 0.1  # of the background's mask, in a head's colours


@dataclasses.dataclass(frozen=True, eq=False)
class ColoredMesh:
  """A closed, coloured surface.

  Attributes:
    triangles: world units.
    normals: of the vertices, out of the solid.
    colors: of the vertices, in [0, 1], as displayed (sRGB).
    semantic_class: of the vertices: of the greatest mask.
    texture: colours of the surface as a picture, if asked for.
  """

  triangles: triangles_lib.Triangles
  normals: Float[np.ndarray, 'vertices 3']
  colors: Float[np.ndarray, 'vertices 3']
  semantic_class: Int[np.ndarray, 'vertices']
  texture: texture_atlas.Texture | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class PortraitMesh:
  """A portrait's surface.

  Attributes:
    whole: all that is not background, unless that was asked for.
    parts: by the name of its class, a closed shell; classes without any surface are left out. Empty unless asked for.
    class_names: in the order of the model's classes.
  """

  whole: ColoredMesh
  parts: dict[str, ColoredMesh]
  class_names: tuple[str, ...]


def mesh(
    model: Any, styles: Float[Array, '*one classes 2 style_dim'], *, resolution: int = RESOLUTION, box: distance_grid.Box = BOX,
    level: float | None = None, parts: bool | Sequence[str] = False, background: bool = False,
    texture: int | None = None, smallest_piece: float = triangles_lib.SMALLEST_PIECE, stride: int = distance_grid.STRIDE,
    on_progress: Callable[[float], None] = lambda fraction: None,
) -> PortraitMesh:
  """The surface of one portrait.

  Args:
    model: a `pretrained.Model`, or what has its generator, params, class_set, azimuth_std and elevation_std.
    styles: of one portrait, as from `draw_styles`; leading axes of 1 do.
    resolution: points of the grid along the box's longest side.
    box: outside of which there is nothing: surfaces that reach it are closed there.
    level: of the signed distance that is the surface, world units; None is where the rays of pictures stop (`stopping_level`), or
      `default_level` if the background is kept.
    parts: True for all classes, or names of some: also a shell for each. The background's only if `background`.
    background: keep what cameras of training see as background, such as a wall behind the head; otherwise it is cut off (`visual_hull`), and
      what they don't see of the head, its back, is painted like the nearest of what they do.
    texture: side of a picture of the whole's colours, texels; none if None.
    smallest_piece: connected pieces of less than this fraction of the largest one's volume are dropped.
    stride: of the coarsest grid (`distance_grid.sample`); 1 asks the field at every point, for the same mesh in several times the time.
    on_progress: told the fraction that is done, in [0, 1].

  Raises:
    ValueError: if sizes or names are wrong, a package is missing, or the field has no surface in the box.
  """
  check_resolution(resolution)
  if texture is not None:
    texture_atlas.check_size(texture)
  names = class_names(model)
  wanted = part_classes(names, parts, background)
  field = portrait_field(model, styles)
  hidden = None if background or BACKGROUND not in names else names.index(BACKGROUND)
  stage = lambda start, end: lambda fraction: on_progress(start + fraction * (end - start))
  views = visual_hull.cameras(*largest_view(model))
  distance = signed_distance(field)
  if hidden is None:
    level_of = _constant(default_level(model) if level is None else level)
    solid = lambda points: distance(points) - level_of(points)
  else:
    outside, stops = _seen_head(model, styles, distance, hidden, views, box, stage(0.0, 0.3))
    level_of = stopping_level.interpolate(stops) if level is None else _constant(level)
    solid = lambda points: np.maximum(distance(points) - level_of(points), outside(points))
  levels = (0.0, -THICKNESS) if wanted else (0.0,)
  values = distance_grid.sample(solid, box, resolution, stride=stride, levels=levels, on_progress=stage(0.3, 0.6))
  surface = class_parts.surface_of(values, box, smallest_piece)
  if not len(surface.faces):
    raise ValueError(f'no head: the signed distance is nowhere below {level or 0:g} in the box from {box.lower} to {box.upper}, or all of it '
                     'is background; draw other styles, give a box where the head is, or keep the background (background=True, --background)')
  if hidden is not None:
    surface = visual_hull.seen_pieces(surface, views)
    surface = triangles_lib.smoothed(surface)
  query = point_query(model, field, level_of)
  seen = _see(surface, query)
  seen = seen if hidden is None else _repainted(seen, seen, hidden)
  on_progress(0.8 if wanted else 1.0)
  shells = _shells(values, box, seen, query, {names[k]: k for k in wanted}, hidden, stage(0.8, 1.0))
  whole = seen.colored()
  if texture is not None:
    whole = dataclasses.replace(whole, texture=texture_atlas.bake(seen.surface, seen.normals, _painter(query, seen, hidden), texture))
  return PortraitMesh(whole=whole, parts=shells, class_names=names)


def check_resolution(resolution: int) -> None:
  """ValueError unless a grid of so many points a side can hold a head."""
  if not 8 <= resolution <= LARGEST_RESOLUTION:
    raise ValueError(f'resolution {resolution} must be in 8..{LARGEST_RESOLUTION} points of a side; {RESOLUTION} is usual')


def class_names(model: Any) -> tuple[str, ...]:
  """The names of the model's classes; class_0 and so on where it does not say its class set."""
  if model.class_set is None:
    return tuple(f'class_{k}' for k in range(model.generator.num_classes))
  return semantics.class_set(model.class_set).classes


def part_classes(names: tuple[str, ...], parts: bool | Sequence[str], background: bool) -> list[int]:
  """Classes of the parts that are asked for; ValueError for a name that there is not."""
  if isinstance(parts, bool):
    return [k for k, name in enumerate(names) if parts and (background or name != BACKGROUND)]
  wrong = [name for name in parts if name not in names]
  if wrong:
    raise ValueError(f'no semantic class {wrong[0]!r} in this model; use one of {", ".join(names)}')
  if BACKGROUND in parts and not background:
    raise ValueError('the part background is left out of meshes; ask for it with background=True (--background)')
  return [names.index(name) for name in parts]


def density_beta(model: Any) -> float:
  """Width of the surface in the model's density, world units."""
  return float(model.params['params']['field']['density_beta'])


def default_level(model: Any) -> float:
  """One signed distance for all of the surface that pictures show, world units."""
  return LEVEL_IN_BETAS * density_beta(model)


def portrait_field(model: Any, styles: Float[Array, '*one classes 2 style_dim']):
  """The radiance field of one portrait, a batch of one; ValueError if styles are of another shape."""
  expected = (model.generator.num_classes, 2, model.generator.style_dim)
  shape = np.shape(styles)
  if shape[-3:] != expected or np.prod(shape[:-3], dtype=int) != 1:
    raise ValueError(f'styles have shape {shape}, one portrait has {expected}; give one row of draw_styles')
  return sampler.radiance_field(model.generator, model.params, styles.reshape((1,) + expected))


def signed_distance(field):
  """Points [points, 3] → signed distance [points], for any number of points."""
  return point_chunks.make(lambda field, points: field.sdf(points[None])[0], field)


def largest_view(model: Any) -> tuple[float, float]:
  """Largest azimuth and elevation of the views that count as seen in training, radians."""
  azimuth_std = camera_lib.AZIMUTH_STD_RADIANS if model.azimuth_std is None else model.azimuth_std
  elevation_std = camera_lib.ELEVATION_STD_RADIANS if model.elevation_std is None else model.elevation_std
  return LARGEST_VIEW_IN_STDS * azimuth_std, LARGEST_VIEW_IN_STDS * elevation_std


def point_query(model: Any, field, level_of: Callable[[np.ndarray], np.ndarray]):
  """(points, normals) → (rgb, semantic_mask): `appearance.make_query` for a model's own width of the surface and cameras of training.

  Args:
    model: as in `mesh`.
    field: of the portrait.
    level_of: points → their signed distance, world units.
  """
  largest_azimuth, largest_elevation = largest_view(model)
  query = appearance.make_query(
      field, reach=appearance.REACH_IN_BETAS * density_beta(model), largest_azimuth=largest_azimuth, largest_elevation=largest_elevation)
  return lambda points, normals: query(points, normals, level_of(points))


@dataclasses.dataclass(frozen=True, eq=False)
class _Seen:
  """A surface, and what is seen of its vertices along their normals."""

  surface: triangles_lib.Triangles
  normals: np.ndarray
  colors: np.ndarray
  semantic_mask: np.ndarray

  def colored(self) -> ColoredMesh:
    return ColoredMesh(self.surface, self.normals, self.colors, np.argmax(self.semantic_mask, axis=-1))


def _see(surface: triangles_lib.Triangles, query, normals: np.ndarray | None = None) -> _Seen:
  normals = triangles_lib.vertex_normals(surface) if normals is None else normals
  colors, semantic_mask = query(surface.vertices, normals)
  return _Seen(surface, normals, np.clip(colors, 0, 1), semantic_mask)


def _shells(values, box, seen: _Seen, query, classes: dict[str, int], hidden: int | None, on_progress) -> dict[str, ColoredMesh]:
  """A shell for each class of these names that has any surface."""
  if not classes:
    return {}
  grid = class_parts.MaskedGrid(values, box, seen.surface.vertices, seen.semantic_mask)
  found = {}
  for i, (name, distances) in enumerate(zip(classes, grid.shells(list(classes.values()), THICKNESS))):
    shell = triangles_lib.marching_cubes(distances, box)
    if len(shell.faces):
      of_shell = _see(shell, query)
      found[name] = (of_shell if hidden is None else _repainted(of_shell, seen, hidden)).colored()
    on_progress((i + 1) / len(classes))
  return found


def _painter(query, source: _Seen, hidden: int | None):
  """(points, normals) → colours, as those of vertices are found."""
  def paint(points, normals):
    seen = _see(triangles_lib.Triangles(points, np.zeros((0, 3), int)), query, normals)
    return (seen if hidden is None else _repainted(seen, source, hidden)).colors

  return paint


def _constant(level: float):
  return lambda points: np.full(len(points), level, np.float32)


def _seen_head(
    model: Any, styles: Float[Array, '*one classes 2 style_dim'], distance: Callable[[np.ndarray], np.ndarray], background: int, views,
    box: distance_grid.Box, on_progress: Callable[[float], None],
) -> tuple[Callable[[np.ndarray], np.ndarray], stopping_level.Stops]:
  """(how far points are outside of the head's outlines, where its rays stop)."""
  renderings = visual_hull.draw(
      model.generator, model.params, styles.reshape((1,) + styles.shape[-3:]), views, on_progress=on_progress)
  outlines = [visual_hull.outline(rendering.semantic_mask[..., background]) for rendering in renderings]
  outside = lambda points: visual_hull.carve(points, outlines, views)
  heads = [visual_hull.inner_pixels(outline) for outline in outlines]
  return outside, stopping_level.find(distance, density_beta(model), renderings, views, heads, outside, box)


def _repainted(seen: _Seen, source: _Seen, background: int) -> _Seen:
  """Vertices tinted by the background, at the back and at the rim, take colour and masks of the nearest vertices of the source that aren't."""
  tint = lambda mask: mask[:, background]
  wrong = (tint(seen.semantic_mask) > LARGEST_TINT) | (np.argmax(seen.semantic_mask, axis=-1) == background)
  right = tint(source.semantic_mask) < LARGEST_TINT / 2
  if not wrong.any() or not right.any():
    return seen
  tree = extras.load('scipy.spatial', 'scikit-image').cKDTree(source.surface.vertices[right])
  neighbours = min(_PAINTERS, int(right.sum()))
  distances, nearest = (x.reshape(-1, neighbours) for x in tree.query(seen.surface.vertices[wrong], k=neighbours, workers=-1))
  weights = 1 / np.maximum(distances, 1e-6)
  weights /= weights.sum(axis=-1, keepdims=True)
  colors, semantic_mask = seen.colors.copy(), seen.semantic_mask.copy()
  colors[wrong] = np.einsum('vn,vnc->vc', weights, source.colors[right][nearest])
  semantic_mask[wrong] = np.einsum('vn,vnc->vc', weights, source.semantic_mask[right][nearest])
  return dataclasses.replace(seen, colors=colors, semantic_mask=semantic_mask)
