"""Meshes of portraits: closed, of the right size, in files that open again."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnerf_jax import pretrained
from cnerf_jax.meshing import class_parts
from cnerf_jax.meshing import distance_grid
from cnerf_jax.meshing import mesh_files
from cnerf_jax.meshing import point_chunks
from cnerf_jax.meshing import portrait_mesh
from cnerf_jax.meshing import triangles
import tiny

trimesh = pytest.importorskip('trimesh')
pytest.importorskip('skimage')


def model():
  """A tiny generator whose residuals are zero: its surface is the base sphere."""
  generator = tiny.make_generator(base='sphere', residual_from_zero=True, mask_fusion='softmax')
  return pretrained.Model(generator, tiny.make_params(generator)), jnp.zeros((generator.num_classes, 2, generator.style_dim))


def test_a_sphere_becomes_a_sphere():
  """Protects grids and marching cubes: the zero set of a distance, found block by block, is the sphere's, closed, with its volume."""
  box = distance_grid.Box((-1.0,) * 3, (1.0,) * 3)
  distance = lambda points: np.linalg.norm(points, axis=-1) - 0.6
  values = distance_grid.sample(distance, box, 64)
  every = distance_grid.sample(distance, box, 64, stride=1)
  np.testing.assert_array_equal(np.sign(values), np.sign(every))
  found = triangles.marching_cubes(values, box)
  np.testing.assert_allclose(np.linalg.norm(found.vertices, axis=-1), 0.6, atol=2e-3)
  one = trimesh.Trimesh(found.vertices, found.faces, process=False)
  assert one.is_watertight and one.volume == pytest.approx(4 / 3 * np.pi * 0.6**3, rel=0.01)


def test_refining_gives_the_mesh_of_every_point():
  """Protects the quick way: on two bumpy shells the triangles are those of a grid evaluated whole, from a third of the points or fewer."""
  box = distance_grid.Box((-1.0,) * 3, (1.0,) * 3)
  asked = []

  def distance(points):
    asked.append(len(points))
    return np.linalg.norm(points, axis=-1) - 0.6 + 0.03 * np.sin(9 * points).sum(axis=-1)

  for levels in ((0.0,), (0.0, -0.2)):
    asked.clear()
    values = distance_grid.sample(distance, box, 65, levels=levels)
    assert sum(asked) < 65**3 / 3 * len(levels)
    every = distance_grid.sample(distance, box, 65, stride=1)
    for level in levels:
      a, b = (triangles.marching_cubes(x, box, level=level) for x in (values, every))
      np.testing.assert_array_equal(a.faces, b.faces)
      np.testing.assert_array_equal(a.vertices, b.vertices)


def test_points_in_chunks_over_devices_are_the_same():
  """Plumbing: any number of points, chunks that are not full, one device or several, two answers."""
  points = np.random.default_rng(0).normal(size=(37, 3)).astype(np.float32)
  function = lambda scale, points: (scale * points[:, 0], points * points)
  for devices in (jax.local_devices()[:1], None):
    first, second = point_chunks.make(function, jnp.float32(2), size=8, devices=devices)(points)
    np.testing.assert_array_equal(first, 2 * points[:, 0])
    np.testing.assert_array_equal(second, points * points)


def test_parts_are_closed_and_add_up_to_the_shell():
  """Protects parts: each is closed, in OBJ an object of its own, and together they have the volume of the head's shell."""
  box = portrait_mesh.BOX
  distance = lambda points: np.linalg.norm(points, axis=-1) - 0.06
  values = distance_grid.sample(distance, box, 64, levels=(0.0, -portrait_mesh.THICKNESS))
  surface = triangles.marching_cubes(values, box)
  octant = (surface.vertices[:, 0] > 0.02).astype(int) + (surface.vertices[:, 1] > 0.01)
  grid = class_parts.MaskedGrid(values, box, surface.vertices, np.eye(3, dtype=np.float32)[octant])
  shells = [triangles.marching_cubes(one, box) for one in grid.shells([0, 1, 2], portrait_mesh.THICKNESS)]
  assert all(trimesh.Trimesh(one.vertices, one.faces, process=False).is_watertight for one in shells)
  shell = 4 / 3 * np.pi * (0.06**3 - (0.06 - portrait_mesh.THICKNESS)**3)
  assert sum(one.volume for one in shells) == pytest.approx(shell, rel=0.05)
  objects = {name: portrait_mesh.ColoredMesh(
      one, triangles.vertex_normals(one), np.zeros_like(one.vertices), np.zeros(len(one.vertices), int)) for name, one in zip('abc', shells)}
  lines = mesh_files.encode('obj', objects)[0].decode().splitlines()
  starts = [i for i, line in enumerate(lines) if line.startswith('o ')] + [len(lines)]
  before = 1
  for one, start, end in zip(shells, starts, starts[1:]):
    faces = np.array([[word.split('//')[0] for word in line.split()[1:]] for line in lines[start:end] if line.startswith('f ')], int) - before
    np.testing.assert_array_equal(faces, one.faces)
    before += len(one.vertices)


@pytest.mark.parametrize('ending', ['.glb', '.ply', '.obj'])
def test_a_portrait_is_written_and_opened_again(tmp_path, ending):
  """Protects users of files: a closed head of the base sphere's radius, with a colour for each vertex; an existing file is not replaced."""
  generator, styles = model()
  portrait = portrait_mesh.mesh(generator, styles, resolution=32, level=0.0, background=True)
  radius = np.linalg.norm(portrait.whole.triangles.vertices, axis=-1)
  np.testing.assert_allclose(radius, 0.06, atol=1e-3)
  path = tmp_path / f'head{ending}'
  mesh_files.write(path, portrait)
  opened = trimesh.load(path, force='mesh', process=False)
  assert len(opened.faces) == len(portrait.whole.triangles.faces) and opened.is_watertight
  with pytest.raises(FileExistsError, match='is there already'):
    mesh_files.write(path, portrait)


def test_wrong_sizes_and_names_are_one_line():
  """Protects against hours of work for nothing: sizes, classes and styles are checked first, each with its remedy."""
  generator, styles = model()
  with pytest.raises(ValueError, match=r'resolution 4 must be in 8\.\.1024'):
    portrait_mesh.mesh(generator, styles, resolution=4)
  with pytest.raises(ValueError, match="no semantic class 'beard'"):
    portrait_mesh.mesh(generator, styles, parts=['beard'])
  with pytest.raises(ValueError, match='one portrait has'):
    portrait_mesh.mesh(generator, jax.numpy.zeros((2, *styles.shape)))
  with pytest.raises(ValueError, match='no head: the signed distance is nowhere below'):
    portrait_mesh.mesh(generator, styles, resolution=16, level=-1.0)
