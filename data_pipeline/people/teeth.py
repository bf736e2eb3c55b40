"""Teeth and tongue: MakeHuman's two rows are smooth bands; here they get gaps between teeth, gums and shade towards the back."""

import functools

import numpy as np

from data_pipeline.people import head as head_lib
from data_pipeline.people import head_model as head_model_lib
from data_pipeline.people import surfaces

_MOUTH = 10  # CelebAMask-HQ's label of all that lies between the lips
_ENAMEL, _GUM, _TONGUE = np.array([0.80, 0.74, 0.63]), np.array([0.42, 0.15, 0.14]), np.array([0.36, 0.11, 0.11])
_ARCH_Z = 1.05  # decimetres: the arches' centre, from which teeth are counted by angle
_TOOTH = {'upper': 0.175, 'lower': 0.135}  # radians: a front tooth's width


def build(head: head_lib.Head) -> list[surfaces.Mesh]:
  """Upper teeth, lower teeth and tongue of a head."""
  model = head.model
  meshes = []
  for part, vertices, colours in zip((model.upper_teeth, model.lower_teeth, model.tongue), head.teeth, _colours(model)):
    meshes.append(surfaces.Mesh(
        vertices=vertices, triangles=part.triangles, normals=surfaces.vertex_normals(vertices, part.triangles), colours=colours,
        label=np.full(len(part.triangles), _MOUTH, np.uint8), specular=0.03, shininess=60.0))
  return meshes


@functools.lru_cache(maxsize=2)
def _colours(model: head_model_lib.HeadModel) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Linear albedo of the vertices of the three parts, told on the neutral head."""
  rows = [_row(model.upper_teeth.fine(model.assets.vertices), 'upper'), _row(model.lower_teeth.fine(model.assets.vertices), 'lower')]
  tongue = model.tongue.fine(model.assets.vertices)
  shade = np.clip(0.35 + (tongue[:, 2:] - 0.9) * 1.3, 0.2, 1)
  return rows[0], rows[1], np.ascontiguousarray(_TONGUE * shade, np.float32)


def _row(vertices: np.ndarray, name: str) -> np.ndarray:
  x, y, z = vertices.T
  angle = np.arctan2(x, z - _ARCH_Z)
  width = _TOOTH[name]
  beside = np.abs(angle / width - np.round(angle / width))  # 0 in a gap: one lies in the middle of the face
  gap = np.exp(-np.square(beside / 0.10))
  low, high = np.percentile(y, [2, 98])
  to_gum = (y - low) / (high - low) if name == 'upper' else (high - y) / (high - low)
  gum = np.clip((to_gum + 0.12 * (1 - np.cos(2 * np.pi * beside)) * -1 - 0.62) / 0.1, 0, 1)[:, None]
  shade = (1 - 0.3 * gap) * np.clip(1.05 - 0.55 * np.square(angle / 1.2), 0.25, 1)
  return np.ascontiguousarray((_ENAMEL * (1 - gum) + _GUM * gum) * shade[:, None], np.float32)
