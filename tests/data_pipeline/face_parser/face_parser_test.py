"""The face parser: what it learns, what is changed in training and what isn't, its files, the command line, its place in preparation."""

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image
import pytest

from data_pipeline import stored_records
from data_pipeline import vocabularies
from data_pipeline.face_parser import __main__ as command_line
from data_pipeline.face_parser import accuracy
from data_pipeline.face_parser import augmentation
from data_pipeline.face_parser import network
from data_pipeline.face_parser import parsing
from data_pipeline.face_parser import training
from data_pipeline.prepare import __main__ as prepare_command_line

LABELS = vocabularies.CELEBAMASK_HQ.labels
LABEL = {name: k for k, name in enumerate(LABELS)}
COLOURS = {'background': (40, 60, 140), 'hair': (50, 35, 20), 'skin': (220, 170, 140), 'l_eye': (240, 240, 255), 'nose': (180, 110, 80)}


def portraits(count, size=128, seed=0):
  """Images and label maps [portraits, size, size]: hair, a face, one eye (the left one) and a nose, moved about."""
  y, x = np.mgrid[:size, :size] / size + 0.5 / size - 0.5
  labels = np.zeros((count, size, size), np.uint8)
  for label, (right, down) in zip(labels, np.random.default_rng(seed).uniform(-0.05, 0.05, (count, 2))):
    u, v = x - right, y - down
    label[np.hypot(u, v + 0.05) < 0.4] = LABEL['hair']
    label[np.hypot(u, v) < 0.3] = LABEL['skin']
    label[np.hypot(u - 0.12, v + 0.08) < 0.06] = LABEL['l_eye']
    label[np.hypot(u, v - 0.05) < 0.07] = LABEL['nose']
  colours = np.zeros((len(LABELS), 3), np.uint8)
  for name, colour in COLOURS.items():
    colours[LABEL[name]] = colour
  return colours[labels], labels


def write_export(folder, count, size=128):
  for kind in ('images', 'labels'):
    (folder / kind).mkdir(parents=True)
  for k, (image, label) in enumerate(zip(*portraits(count, size))):
    Image.fromarray(image).save(folder / 'images' / f'{k:06d}.jpg', quality=95)
    Image.fromarray(label).save(folder / 'labels' / f'{k:06d}.png')
  return folder


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
  """A network that has seen a few steps of drawn portraits, by the command line, and the folder."""
  folder = write_export(tmp_path_factory.mktemp('export'), 24)
  assert command_line.main(['train', str(folder), str(folder / 'network.npz'), '--steps', '40', '--batch-size', '4']) == 0
  return folder


def test_trained_by_the_command_it_parses_others(trained):
  """Protects the whole: large regions of portraits that it has not seen, from the file, of any size."""
  images, labels = portraits(3, 256, seed=5)
  parser = parsing.load(trained / 'network.npz')
  found = parser.parse(images)
  large = np.isin(labels, [LABEL[name] for name in ('background', 'hair', 'skin')])
  assert found.shape == labels.shape and (found == labels)[large].mean() > 0.8
  assert parser.about['steps'] == 40 and 0 < parser.about['held_out']['skin'] <= 1


def test_a_mirrored_photograph_has_the_mirrored_map():
  """Protects left and right: with the shipped parameters, exactly, whatever the picture shows."""
  image, _ = portraits(1)
  logits = parsing.logits(parsing.load().params, jnp.concatenate([jnp.asarray(image), jnp.asarray(image)[:, :, ::-1]]) / 127.5 - 1)
  other_side = vocabularies.CELEBAMASK_HQ.mirrored()
  np.testing.assert_allclose(logits[1], logits[0][:, ::-1][..., other_side], atol=1e-4)


def test_reframing_moves_pixels_and_labels_together():
  """Protects the pairs: where each label has its own colour, every changed pixel still has its label's, away from borders."""
  images, labels = portraits(8)
  changed, found = augmentation._reframe(jax.random.key(0), jnp.asarray(images, jnp.float32) / 127.5 - 1, jnp.asarray(labels))
  colours = np.zeros((len(LABELS), 3), np.float32)
  for name, colour in COLOURS.items():
    colours[LABEL[name]] = colour
  colours[LABEL['r_eye']] = COLOURS['l_eye']  # what a mirrored left eye is
  same = np.abs((np.asarray(changed) + 1) * 127.5 - colours[np.asarray(found)]).max(axis=-1) < 2
  assert same.mean() > 0.93  # of pixels on no border
  assert {LABEL['l_eye'], LABEL['r_eye']} <= set(np.unique(found))  # some are mirrored, some are not
  assert (np.asarray(found) != labels).mean() > 0.01


def test_exposure_and_hiding_keep_labels():
  """Protects what is asked: labels change only to unknown, under plain rectangles, and images stay in [-1, 1]."""
  images, labels = portraits(32)
  changed, found = augmentation.augment(jax.random.key(1), jnp.asarray(images), jnp.asarray(labels))
  hidden = np.asarray(found) == augmentation.UNKNOWN
  assert 0 < hidden.mean() < augmentation.HIDDEN * augmentation.HIDDEN_SIDE**2
  assert np.isfinite(changed).all() and np.abs(changed).max() <= 1
  kept, still = augmentation._hide(jax.random.key(2), jnp.zeros((32, 128, 128, 3)), jnp.asarray(labels))
  seen = np.asarray(still) != augmentation.UNKNOWN
  np.testing.assert_array_equal(np.asarray(still)[seen], labels[seen])
  assert (np.asarray(kept)[seen] == 0).all()


def test_hidden_pixels_have_no_loss():
  """Protects the mean over known pixels: what an unknown pixel's logits are does not matter."""
  labels = jnp.array([[[0, augmentation.UNKNOWN]]], jnp.uint8)
  logits = jax.random.normal(jax.random.key(0), (1, 1, 2, network.NUM_LABELS))
  weights = jnp.ones(network.NUM_LABELS)
  slope = jax.grad(lambda logits: training.cross_entropy(logits, labels, weights))(logits)
  assert np.abs(slope[0, 0, 0]).max() > 0 and np.abs(slope[0, 0, 1]).max() == 0


def test_rare_labels_count_more_and_the_mean_is_one():
  """Protects the balance: a pixel of an eye counts more than one of the background, and the loss keeps its size."""
  _, labels = portraits(4)
  weights = training.label_weights(labels)
  shares = np.bincount(labels.reshape(-1), minlength=len(LABELS)) / labels.size
  assert weights[LABEL['l_eye']] > 1.5 * weights[LABEL['background']]
  np.testing.assert_allclose(np.sum(shares * weights), 1, rtol=1e-5)


def test_an_exposure_changes_nothing_that_the_network_sees():
  """Protects dark photographs: gain and offset of a picture cancel."""
  image = jnp.asarray(portraits(1)[0]) / 127.5 - 1
  seen = network._standardized(image)
  np.testing.assert_allclose(network._standardized(0.5 * image - 0.2), seen, atol=0.2)  # of values to 3: a plain image is not blown up
  assert float(jnp.abs(seen).max()) < 5 and float(jnp.abs(network._standardized(jnp.zeros((1, 128, 128, 3)))).max()) == 0


def test_preparing_photographs_alone(trained, tmp_path):
  """Protects users without label maps: records have the parser's labels; without a parser the error names it."""
  photos, data = trained / 'images', tmp_path / 'data'
  options = ['--no-face-search', '--workers', '1', '--validation', '0', '--viewpoints', 'none', '--no-order-check']
  assert prepare_command_line.main([str(photos), str(data), '--parser', 'people', *options]) == 0
  stored = stored_records.StoredRecords(data / 'real_portraits' / 'size64' / '1.0.0', 'train', with_all=True)
  record = next(record for record in (stored[k] for k in range(len(stored))) if record['name'] == b'000003')
  parsed = parsing.load().parse(np.asarray(Image.open(photos / '000003.jpg').resize((512, 512), Image.Resampling.BILINEAR))[None])[0]
  assert (record['label'] == parsed[2::4, 2::4]).mean() > 0.9


@pytest.mark.parametrize('arguments, words', [
    ((), '--parser people'), (('--parser', 'people', '--label-order', 'bisenet'), 'leave --label-order out'),
    (('--parser', 'nothing.onnx'), 'give the path of one, or people')])
def test_preparation_says_what_is_missing(trained, tmp_path, capsys, arguments, words):
  """Protects newcomers: one line, with the remedy."""
  assert prepare_command_line.main([str(trained / 'images'), str(tmp_path / 'data'), *arguments]) == 1
  assert words in capsys.readouterr().err


def test_parsing_a_folder(trained, tmp_path, capsys):
  """Protects `parse`: a map a photograph, what can't be read is named, what is there stays."""
  photos, labels = tmp_path / 'photos', tmp_path / 'labels'
  photos.mkdir()
  for k, image in enumerate(portraits(2)[0]):
    Image.fromarray(image).resize((90, 60)).save(photos / f'{k}.png')
  (photos / 'broken.jpg').write_bytes(b'nothing')
  arguments = ['parse', str(photos), str(labels), '--no-face-search', '--parameters', str(trained / 'network.npz')]
  assert command_line.main(arguments) == 0
  assert 'refused: broken.jpg' in capsys.readouterr().out
  assert sorted(path.name for path in labels.iterdir()) == ['0.png', '1.png']
  with Image.open(labels / '1.png') as label:
    assert label.size == (90, 60)  # its photograph's
  (labels / '0.png').write_bytes(b'mine')
  assert command_line.main(arguments) == 0 and (labels / '0.png').read_bytes() == b'mine'


@pytest.mark.parametrize('arguments, words', [
    (('train', '{empty}', 'x.npz'), 'give the folder of python -m data_pipeline.people export'),
    (('train', '{small}', 'x.npz'), 'give an export of --size 128 or more'), (('train', '{small}', 'x.npz', '--steps', '0'), '--steps 0'),
    (('parse', '{empty}', 'labels'), 'give a folder of them'),
    (('parse', '{small}', 'labels', '--parameters', '{small}'), 'holds no network that parses faces')])
def test_bad_input_is_one_line(tmp_path, capsys, arguments, words):
  """Protects users of the command line: what is wrong and what to do, nothing written."""
  (tmp_path / 'empty').mkdir()
  write_export(tmp_path / 'small', 2, 64)
  filled = [one.format(empty=tmp_path / 'empty', small=tmp_path / 'small') for one in arguments]
  assert command_line.main(filled) == 1
  *_, error = capsys.readouterr().err.splitlines()  # after progress bars, if there were any
  assert error.startswith('error: ') and words in error


@pytest.mark.parametrize('shape', [(1, 100, 100, 3), (1, 128, 256, 3), (128, 128, 3)])
def test_images_of_another_shape_are_refused(trained, shape):
  """Protects callers: one line with the rule."""
  with pytest.raises(ValueError, match='give square RGB ones'):
    parsing.load(trained / 'network.npz').parse(np.zeros(shape, np.uint8))


def test_specks_of_hats_and_glasses_are_something_else():
  """Protects presence: a hat of 2% of the picture becomes what else is likeliest, one of 10% stays."""
  logits = np.zeros((2, 20, 20, len(LABELS)), np.float32)
  logits[..., LABEL['hair']] = 1
  logits[0, :2, :4, LABEL['hat']] = logits[1, :2, :, LABEL['hat']] = 2
  found = np.asarray(parsing.without_specks(jnp.asarray(logits)).argmax(axis=-1))
  assert (found[0] == LABEL['hair']).all()
  assert (found[1, :2] == LABEL['hat']).all() and (found[1, 2:] == LABEL['hair']).all()


def test_intersection_over_union_by_hand():
  """Protects the figures that are stored: a third of two halves that overlap by half, none of a class that nobody shows."""
  known = np.full((1, 4, 4), LABEL['hair'], np.uint8)
  known[:, :2] = LABEL['skin']
  found = np.full((1, 4, 4), LABEL['hair'], np.uint8)
  found[:, 1:3] = LABEL['skin']
  assert accuracy.intersection_over_union(found, known) == dict(skin=1 / 3, hair=1 / 3)
