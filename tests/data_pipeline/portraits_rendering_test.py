"""What is written down about a portrait (viewpoint, label, depth) is what its picture shows."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnerf_jax import camera as camera_lib
from cnerf_jax import rays as rays_lib
from cnerf_jax import semantics
from data_pipeline.portraits import anatomy
from data_pipeline.portraits import contact_sheet
from data_pipeline.portraits import identity
from data_pipeline.portraits import raycaster
from data_pipeline.portraits import rendering

SIZE = 64
COUNT = 32
SemanticClass = semantics.SemanticClass


@pytest.fixture(scope='module')
def portraits():
  """(people, viewpoints, pictures): people seen from random cameras."""
  people = [identity.draw(1, index) for index in range(COUNT)]
  views = np.stack([identity.draw_viewpoint(1, index, 0.3, 0.15) for index in range(COUNT)])
  return people, views, rendering.render_people(people, views, image_size=SIZE)


def project(points, viewpoint):
  """Continuous pixel (column, row) and depth of world points."""
  camera = camera_lib.orbit(viewpoint[0], viewpoint[1])
  rotation, position = np.asarray(camera.cam_to_world[:, :3]), np.asarray(camera.cam_to_world[:, 3])
  local = (points - position) @ rotation
  depth = -local[..., 2]
  focal = SIZE * float(camera.focal)
  return SIZE / 2 + focal * local[..., 0] / depth, SIZE / 2 - focal * local[..., 1] / depth, depth


def unproject(depth, viewpoint):
  """World points of all pixels."""
  camera = camera_lib.orbit(viewpoint[0], viewpoint[1])
  rays = rays_lib.cast_rays(camera, image_size=SIZE)
  return np.asarray(rays.origins + depth.reshape(-1, 1) * rays.directions)


def test_nose_tip_projects_onto_nose_pixels(portraits):
  """Viewpoint truth: the camera of record sees the nose where the geometry says it is."""
  people, views, pictures = portraits
  hits, errors = 0, []
  for i, person in enumerate(people):
    x, y, z = anatomy.nose_tip(person)
    tip = np.array([x, y, z + person.nose_width]) * rendering.WORLD_PER_HEAD_UNIT
    column, row, depth = project(tip, views[i])
    column, row = int(column), int(row)
    near_tip = pictures.label[i, row - 1:row + 2, column - 1:column + 2]
    hits += (near_tip == SemanticClass.NOSE).any()
    errors.append(abs(pictures.depth[i, row, column] - depth))
  assert hits == COUNT
  assert np.median(errors) < 0.002


def test_depth_lies_on_the_surface(portraits):
  """Pixels of skin and hair, moved back along their rays by their depth, have distance zero to the head."""
  people, views, pictures = portraits
  for i in range(4):
    on_head = np.isin(pictures.label[i], (SemanticClass.SKIN, SemanticClass.HAIR)).reshape(-1)
    points = unproject(pictures.depth[i], views[i])[on_head] / rendering.WORLD_PER_HEAD_UNIT
    distance = np.abs(anatomy.head_distance(anatomy.Point(*points.T), people[i]))
    assert np.median(distance) < 0.02 and np.quantile(distance, 0.9) < 0.05


def test_depth_agrees_between_views(portraits):
  """A point seen from one camera is never in front of what another camera sees along its ray."""
  person = portraits[0][0]
  views = np.array([[-0.2, 0.0], [0.2, 0.1]], np.float32)
  pictures = rendering.render_people([person] * 2, views, image_size=SIZE)
  points = unproject(pictures.depth[0], views[0])[(pictures.label[0] != SemanticClass.BACKGROUND).reshape(-1)]
  column, row, depth = project(points, views[1])
  inside = (column > 0) & (column < SIZE) & (row > 0) & (row < SIZE)
  seen = pictures.depth[1][row[inside].astype(int), column[inside].astype(int)]
  assert np.mean(seen < depth[inside] + 0.006) > 0.97


def test_everything_lies_between_near_and_far(portraits):
  """What a radiance field samples between near and far holds the whole scene."""
  _, _, pictures = portraits
  foreground = pictures.label != SemanticClass.BACKGROUND
  assert np.abs(pictures.depth[foreground] - 1).max() < 0.115
  np.testing.assert_allclose(pictures.depth[~foreground], camera_lib.FAR)


def test_all_twelve_classes_occur(portraits):
  """No class of the format is without an example; the common ones are in every picture."""
  _, _, pictures = portraits
  assert set(np.unique(pictures.label)) == {int(semantic_class) for semantic_class in SemanticClass}
  for name in ('BACKGROUND', 'SKIN', 'NOSE', 'MOUTH', 'NECK'):
    assert (pictures.label == SemanticClass[name]).any(axis=(1, 2)).mean() > 0.95


def test_what_people_wear_is_labelled(portraits):
  """Glasses are labelled on those who wear them and on nobody else; likewise hats and earrings."""
  people, _, pictures = portraits
  for worn, semantic_class in (('has_glasses', SemanticClass.GLASSES), ('has_hat', SemanticClass.HAT),
                               ('has_earrings', SemanticClass.EARRINGS)):
    shown = (pictures.label == semantic_class).any(axis=(1, 2))
    wears = np.array([bool(getattr(person, worn)) for person in people])
    assert not shown[~wears].any()
    assert shown[wears].mean() > 0.8


def test_picture_is_deterministic_and_independent_of_its_batch(portraits):
  """A record does not depend on which pictures were drawn beside it."""
  people, views, pictures = portraits
  order = list(range(COUNT))[::-1]
  again = rendering.render_people([people[i] for i in order], views[order], image_size=SIZE)
  np.testing.assert_array_equal(again.image[::-1], pictures.image)
  np.testing.assert_array_equal(again.label[::-1], pictures.label)
  np.testing.assert_array_equal(again.depth[::-1], pictures.depth)


def test_pictures_agree_between_resolutions(portraits):
  """The same scene at a quarter of the resolution is the same scene."""
  people, views, pictures = portraits
  small = rendering.render_people(people[:8], views[:8], image_size=SIZE // 4).image.astype(float)
  blocks = pictures.image[:8].reshape(8, SIZE // 4, 4, SIZE // 4, 4, 3).mean(axis=(2, 4))
  assert np.abs(small - blocks).mean() < 6


def test_rays_are_those_of_the_package():
  """The supersampled rays are `rays.cast_rays` of the same camera at twice the size."""
  views = jnp.array([[0.3, -0.1], [-0.5, 0.2]])
  ray, cosine = rendering._cast(views, 16)
  expected = rays_lib.cast_rays(camera_lib.orbit(views[:, 0], views[:, 1]), image_size=16)
  for axis, direction in enumerate((ray.direction.x, ray.direction.y, ray.direction.z)):
    np.testing.assert_allclose(direction, expected.viewdirs[..., axis], atol=2e-6)
  norms = np.linalg.norm(np.asarray(expected.directions), axis=-1)
  np.testing.assert_allclose(1 / cosine * np.ones_like(norms), norms, rtol=1e-5)


def test_tracing_meets_the_first_surface():
  """Oracle: tiny steps along each ray until the distance changes sign."""
  people = [identity.draw(0, index) for index in range(3)]
  vectors = jnp.stack([identity.to_vector(person) for person in people])
  ray, _ = rendering._cast(jnp.array([[0.0, 0.0], [0.4, 0.1], [-0.3, -0.2]]), 24)
  person = identity.from_vector(vectors[:, None])
  steps = np.arange(8.0, 10.8, 0.01, dtype=np.float32)
  is_inside = jax.jit(lambda distance: anatomy.head_distance(ray.at(distance), person) < 0)
  inside = np.stack([np.asarray(is_inside(jnp.float32(distance))) for distance in steps])
  first = np.where(inside.any(axis=0), steps[inside.argmax(axis=0)], raycaster.MISS)
  traced = np.asarray(raycaster.trace_head(ray, person))
  met = first < raycaster.MISS
  assert np.mean((traced < raycaster.MISS)[met]) > 0.97
  both = met & (traced < raycaster.MISS)
  assert np.quantile(np.abs(traced - first)[both], 0.97) < 0.06
  # Rays that graze the head within the tolerance may count as hits; nothing else may.
  assert np.mean((traced < raycaster.MISS)[~met]) < 0.03


def test_contact_sheet_shows_people_by_views():
  """Rows are people; each row has its views twice, as picture and as mask."""
  sheet = contact_sheet.contact_sheet(0, num_identities=2, num_views=3, image_size=SIZE, magnification=2)
  assert sheet.size == (SIZE * 3 * 2 * 2, SIZE * 2 * 2)
