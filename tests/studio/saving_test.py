"""What the page saves: pictures, films and meshes that other programs read."""

import json
import struct

import jax
import numpy as np
from PIL import Image
import pytest
import visiting

from cnerf_jax import camera
from cnerf_jax.semantics import SemanticClass

CELLS = 32


def test_pictures_are_saved(visit, tmp_path):
  """Protects downloads: the PNG is the picture."""
  visiting.show(visit, '#seed=5')
  expected = visit.pixels()
  with visit.page.expect_download() as download:
    visit.page.click('#save-png')
  download.value.save_as(tmp_path / 'person.png')
  np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / 'person.png').convert('RGB')), expected)


def test_films_turn(visit, tmp_path):
  """Protects films: other programs read one, its pictures differ while it turns, and it comes back to where it began."""
  av = pytest.importorskip('av', reason="no av; pip install '.[test]'")
  visiting.show(visit, '#seed=4')
  with visit.page.expect_download(timeout=visiting.LOADED) as download:
    visit.page.click('#save-film')
    assert visit.page.is_visible('#making') and visit.page.get_attribute('#making-progress', 'aria-labelledby') == 'making-what'
  assert download.value.suggested_filename in ('person-4.webm', 'person-4.mp4')
  download.value.save_as(tmp_path / 'film')
  with av.open(str(tmp_path / 'film')) as film:  # of 96 pictures; a recorder drops some where a machine is busy
    frames = [frame.to_ndarray(format='rgb24').astype(float) for frame in film.decode(video=0)]
  assert len(frames) >= 24 and frames[0].shape == (512, 512, 3)
  turned = [np.abs(frame - frames[0]).mean() for frame in frames]
  assert max(turned) > 8 and min(turned[len(turned) // 2:]) < max(turned) / 4
  assert visit.page.is_hidden('#making')


def test_making_can_be_cancelled(visit):
  """Protects who has no time: a film that is cancelled is not saved, and the next thing can be made."""
  visiting.show(visit, '#seed=4')
  visit.page.click('#save-film')
  visit.page.click('#save-glb')
  assert 'One thing at a time' in visit.page.text_content('#status')
  visit.page.click('#cancel')
  visit.until("document.getElementById('status').textContent === 'Film cancelled'")
  assert visit.page.is_hidden('#making')


def read_glb(path):
  """(JSON, arrays by the names of attributes and `faces`) of a GLB file of one mesh."""
  data = path.read_bytes()
  magic, version, length, json_length, kind = struct.unpack('<5I', data[:20])
  assert (magic, version, length, kind) == (0x46546C67, 2, len(data), 0x4E4F534A)
  said = json.loads(data[20:20 + json_length])
  binary = data[28 + json_length:]
  primitive = said['meshes'][0]['primitives'][0]
  arrays = {}
  for name, number in {**primitive['attributes'], 'faces': primitive['indices']}.items():
    accessor = said['accessors'][number]
    view = said['bufferViews'][accessor['bufferView']]
    dtype = {5126: '<f4', 5125: '<u4', 5123: '<u2'}[accessor['componentType']]
    flat = np.frombuffer(binary[view['byteOffset']:view['byteOffset'] + view['byteLength']], dtype)
    arrays[name] = flat.reshape(accessor['count'], {'SCALAR': 1, 'VEC3': 3, 'VEC4': 4}[accessor['type']])  # as it says, no other way
  return said, arrays


def test_a_mesh_is_the_person(visit, model, tmp_path):
  """Protects meshes: trimesh reads one piece without holes; y up, the face along +z; its outline and colours are the picture's."""
  trimesh = pytest.importorskip('trimesh', reason="no trimesh; pip install '.[test]'")
  from cnerf_jax.meshing import rasterizing, triangles  # pylint: disable=g-import-not-at-top
  visiting.show(visit, '#seed=7&truncation=0.6')
  visit.page.evaluate(f'studio.model.meshCells = {CELLS}')
  with visit.page.expect_download(timeout=visiting.LOADED) as download:
    visit.page.click('#save-glb')
  download.value.save_as(tmp_path / 'person.glb')
  said, arrays = read_glb(tmp_path / 'person.glb')
  assert 'seed=7' in said['asset']['extras']['address']
  read = trimesh.load(tmp_path / 'person.glb', force='mesh', process=False)
  pieces = read.split(only_watertight=False)
  assert max(len(piece.faces) for piece in pieces) > 0.9 * len(read.faces)
  edges, counts = np.unique(read.edges_sorted, axis=0, return_counts=True)
  assert (counts % 2 == 0).all() and (counts == 2).mean() > 0.98, 'holes'
  assert read.volume > 1e-3, 'inside out'
  np.testing.assert_allclose(np.linalg.norm(arrays['NORMAL'], axis=-1), 1, atol=1e-3)
  vertices = arrays['POSITION']
  forward = vertices[np.argmax(vertices[:, 2])]
  assert forward[2] > 0.02 and abs(forward[0]) < 0.02, 'the nose is not in front'
  surface = triangles.Triangles(vertices, arrays['faces'].reshape(-1, 3).astype(int))
  view = camera.orbit(0.25, 0.05)
  seen = rasterizing.rasterize(surface, view, image_size=48).face
  drawn = model.render(model.draw_styles(jax.random.key(7), 1, truncation=0.6), view, image_size=48, num_samples=16)
  head = np.asarray(drawn.semantic_mask[0, ..., SemanticClass.BACKGROUND]) < 0.5
  overlap = ((seen >= 0) & head).sum() / ((seen >= 0) | head).sum()
  assert overlap > 0.85, overlap
  light = arrays['COLOR_0'][:, :3] / 65535
  color = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
  of_faces = color[surface.faces].mean(axis=1)
  both = (seen >= 0) & head
  difference = np.abs(of_faces[seen[both]] - (np.asarray(drawn.rgb[0])[both] + 1) / 2)
  assert np.median(difference) < 0.06, np.median(difference)


def test_surface_nets_of_a_sphere(visit):
  """Protects surfaces: a sphere's vertices lie on it, faces look outwards and close, small pieces go."""
  packed = visit.page.evaluate("""async () => {
    const {largePieces, surfaceNets, vertexNormals} = await import('./surface_nets.js');
    const n = 21;
    const values = Float32Array.from({length: n ** 3}, (_, i) => {
      const [x, y, z] = [i % n, Math.floor(i / n) % n, Math.floor(i / n ** 2)];
      return Math.min(Math.hypot(x - 8, y - 9, z - 8) - 6, Math.hypot(x - 18, y - 18, z - 18) - 1.1);
    });
    const all = surfaceNets(values, n);
    const large = largePieces(all, 0.1);
    return [all.faces.length, [...large.vertices], [...large.faces], [...vertexNormals(large.vertices, large.faces)]];
  }""")
  count, vertices, faces, normals = packed[0], *(np.array(x).reshape(-1, 3) for x in packed[1:])
  assert 0 < len(faces) < count / 3
  away = vertices - (8, 9, 8)
  np.testing.assert_allclose(np.linalg.norm(away, axis=-1), 6, atol=0.1)
  assert (np.einsum('ij,ij->i', normals, away) > 5.8).all()
  _, counts = np.unique(np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1), axis=0, return_counts=True)
  assert (counts == 2).all()
  a, b, c = (vertices[faces[:, i]] for i in range(3))
  assert np.einsum('ij,ij->', a, np.cross(b, c)) / 6 == pytest.approx(4 / 3 * np.pi * 6**3, rel=0.05)


def test_nothing_went_wrong(visit):
  """Protects the other tests: all that was done wrote no error to the console and asked for nothing elsewhere."""
  assert not visit.errors and not visit.foreign
