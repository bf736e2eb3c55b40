"""Swaps are judged by the truth: models that know people by heart, and swap well, not at all, or too much."""

import math

from absl import app
import jax
import numpy as np
import pytest

import tiny

from benchmarks import swap_truth
from cnerf_jax import latents
from cnerf_jax import pretrained
from cnerf_jax.models import portrait_encoder
from data_pipeline.portraits import edits
from data_pipeline.portraits import identity
from data_pipeline.portraits import rendering

SIZE, RECORD_SIZE = 16, 32
TO_EXAMPLE = swap_truth.example_maker(SIZE)
REGIONS = ('mouth', 'hat')  # one that everyone has, one that is worn


def make_pairs():
  """Nine pairs, of whom one wears a hat before or after."""
  pairs = swap_truth.draw_pairs(1, 9)
  bare = identity.draw(1, next(i for i in range(100) if not identity.draw(1, i).has_hat))
  hatted = identity.draw(1, next(i for i in range(100) if identity.draw(1, i).has_hat))
  without = lambda people: [edits.exchange(person, bare, 'hat', 'shape') for person in people]
  return swap_truth.Pairs(without(pairs.receivers), [*without(pairs.donors[:-1]), hatted], pairs.receiver_views, pairs.donor_views)


def people_of(vectors):
  return [identity.from_vector(vector) for vector in vectors]


def draw(vectors, viewpoint):
  return TO_EXAMPLE(rendering.render_people(people_of(vectors), viewpoint, image_size=RECORD_SIZE))[0]


def exact_swap(vectors, donors, region, kind):
  return np.stack([identity.to_vector(edits.exchange(a, b, region, kind)) for a, b in zip(people_of(vectors), people_of(donors))])


@pytest.fixture(scope='module')
def measure():
  """`measure(swap)` with a model whose styles are the people themselves: it knows each picture of the pairs by heart."""
  pairs, known = make_pairs(), {}
  for people, views in ((pairs.receivers, pairs.receiver_views), (pairs.donors, pairs.donor_views)):
    vectors = np.stack([identity.to_vector(person) for person in people])
    known |= {image.tobytes(): vector for image, vector in zip(draw(vectors, views), vectors)}

  def encode(image, semantic_mask):
    assert semantic_mask.shape == (len(image), SIZE, SIZE, 12)
    return np.stack([known[one.tobytes()] for one in image])

  def run(swap, render=draw):
    with pytest.MonkeyPatch.context() as patch:
      patch.setattr(edits, 'REGIONS', REGIONS)
      return swap_truth.measure(encode, render, swap, pairs, to_example=TO_EXAMPLE, record_size=RECORD_SIZE)
  return run


def test_an_exact_swap_has_no_error(measure):
  """Protects the zero: the truth itself is as good as reconstruction, which is perfect here; not editing is wrong inside alone."""
  rows = measure(exact_swap)
  assert rows['mouth']['both']['pairs'] == 9 and rows['hat']['both']['pairs'] == rows['hat']['shape']['pairs'] == 1
  for region, kind in (('mouth', 'shape'), ('mouth', 'texture'), ('mouth', 'both'), ('hat', 'both')):
    inside, outside = rows[region][kind]['inside'], rows[region][kind]['outside']
    assert inside['error'] < 1e-3 and inside['floor'] < 1e-3 and inside['ceiling'] > 3 and inside['relative_change'] < 1e-3, (region, kind)
    assert outside['error'] < 1e-3 and outside['wrong_change'] < 1e-3 and outside['ceiling'] < 1, (region, kind)
  hat = rows['hat']['texture']  # nobody who wears one gets the colours of another
  assert hat['pairs'] == 0 and all(math.isnan(value) for part in ('inside', 'outside') for value in hat[part].values())


def test_no_edit_is_the_ceiling_and_an_edit_elsewhere_is_seen_outside(measure):
  """Protects the one, and from leaks: a swap that does nothing scores 1; one that dyes the clothes too errs outside alone."""
  nothing = measure(lambda vectors, donors, region, kind: vectors)['mouth']['both']
  assert nothing['inside']['relative_change'] == pytest.approx(1) and nothing['inside']['error'] == nothing['inside']['ceiling']

  def leaking(vectors, donors, region, kind):
    people = people_of(exact_swap(vectors, donors, region, kind))
    return np.stack([identity.to_vector(one.replace(clothes_colour=1 - one.clothes_colour)) for one in people])

  leak = measure(leaking)['mouth']['both']
  assert leak['inside']['error'] < 1e-3 and leak['outside']['error'] > 5
  assert leak['outside']['wrong_change'] == pytest.approx(leak['outside']['error'], rel=1e-3)


def test_a_model_that_reconstructs_badly_has_a_floor(measure):
  """Protects the floor: a renderer that is 10 steps too bright errs by 10 everywhere, edited or not; the changes are right all the same."""
  row = measure(exact_swap, render=lambda *arguments: draw(*arguments) + 10 / 127.5)['mouth']['both']
  for part in ('inside', 'outside'):
    assert row[part]['error'] == pytest.approx(10, rel=1e-3) and row[part]['floor'] == pytest.approx(10, rel=1e-3)
    assert row[part]['wrong_change'] < 1e-2
  table = swap_truth.format_table({'mouth': {'both': row}})
  assert table.splitlines()[-1].split()[:5] == ['mouth', 'both', '9', '10.0', '10.0']


def make_model(size=4, **changes):
  """A tiny model of twelve classes and its encoder."""
  generator = tiny.make_generator(num_classes=12)
  model = pretrained.Model(generator, tiny.make_params(generator), class_set='ffhq12', image_size=size, num_samples=4)
  module = portrait_encoder.PortraitEncoder(style_dim=generator.latent_dim, channels=(4, 4), hidden=8)
  params = module.init(np.array([0, 0], np.uint32), np.zeros((1, size, size, 3)), np.zeros((1, size, size, 12)))
  width = generator.latent_dim
  settings = dict(latent_mean=np.zeros(width), latent_covariance=np.eye(width), class_set='ffhq12', image_size=size)
  return model, pretrained.Encoder(module=module, params=params, **settings | changes)


def test_a_model_encodes_and_draws_in_calls_of_one_size():
  """Protects the plumbing: styles are those of the mean latents, any number is drawn, and only the class of the region is swapped."""
  model, encoder = make_model()
  encode, render = swap_truth.functions(model, encoder)
  random = np.random.default_rng(0)
  image, mask = random.uniform(-1, 1, (17, 4, 4, 3)).astype(np.float32), random.random((17, 4, 4, 12), np.float32)
  styles = encode(image, mask)
  np.testing.assert_allclose(styles, model.map_latents(encoder(image, mask)[0].mean), rtol=1e-3, atol=1e-5)
  swapped = swap_truth.swap_styles(styles[:2], styles[2:4], 'hair', 'texture')
  assert (swapped != styles[:2]).any(axis=(0, 3)).nonzero()[0].tolist() == [8]
  np.testing.assert_array_equal(swapped[:, 8, latents.TEXTURE], styles[2:4, 8, latents.TEXTURE])
  assert render(styles, random.normal(size=(17, 2)).astype(np.float32)).shape == (17, 4, 4, 3)


def test_a_swap_can_keep_the_skin():
  """Protects --keep_tone: of donors with the receiver's own skin the swap is the plain one; of others it differs, in its region alone."""
  model, _ = make_model()
  swap = swap_truth.swap_that_keeps_tone(model)
  styles = np.array(jax.random.normal(jax.random.key(0), (4, 12, 2, model.generator.style_dim)))
  donors = styles[::-1].copy()
  other = swap(styles, donors, 'nose', 'both')
  assert (np.abs(other - styles).max(axis=(0, 3)) > 1e-3).any(axis=1).nonzero()[0].tolist() == [2]
  plain = swap_truth.swap_styles(styles, donors, 'nose', 'both')
  assert np.abs(other - plain).max() > 1e-3
  donors[:, 1, latents.TEXTURE] = styles[:, 1, latents.TEXTURE]
  np.testing.assert_allclose(swap(styles, donors, 'nose', 'both')[:, 2], donors[:, 2], atol=1e-3)


def test_an_encoder_of_another_model_is_one_line():
  """Protects from shapes that don't fit somewhere in the middle."""
  model, encoder = make_model(image_size=8)
  with pytest.raises(app.UsageError, match='the model draws 4 pixels, the encoder reads 8; give both of one run'):
    swap_truth.functions(model, encoder)
  model, encoder = make_model(class_set='ffhq9')
  with pytest.raises(app.UsageError, match='the encoder is of ffhq9, portraits are labelled with ffhq12'):
    swap_truth.functions(model, encoder)
