"""Rendered portraits, exported as people find real ones, come back as the same classes; so do photographs with masks made by hand."""

import json

import faces
import ml_collections
import numpy as np
import pytest

from cnerf_jax import semantics
from data_pipeline import class_merging
from data_pipeline import loader
from data_pipeline import stored_records
from data_pipeline.portraits import identity
from data_pipeline.portraits import rendering
from data_pipeline.prepare import __main__ as command_line
from data_pipeline.prepare import alignment
from data_pipeline.prepare import label_orders

COUNT, SIZE = 200, 64
LABEL = {name: index for index, name in enumerate(faces.LABELS)}
WHOLE = {'background': 'background', 'skin': 'skin', 'nose': 'nose', 'glasses': 'eye_g', 'hair': 'hair', 'hat': 'hat', 'earrings': 'ear_r'}


def as_19_labels(classes: np.ndarray) -> np.ndarray:
  """A map of the twelve classes as the 19 labels: pairs by side of the face, mouth and neck from top to bottom."""
  labels = np.zeros_like(classes)
  rows, columns = np.mgrid[:SIZE, :SIZE]
  middle = columns[classes == semantics.SemanticClass.SKIN].mean()
  for index, name in enumerate(semantics.FFHQ12.classes):
    chosen = classes == index
    if name in WHOLE:
      labels[chosen] = LABEL[WHOLE[name]]
      continue
    if name in ('eyes', 'brows', 'ears'):
      labels[chosen] = np.where(columns < middle, LABEL[f'l_{name[:-1]}'], LABEL[f'r_{name[:-1]}'])[chosen]
      continue
    names = ('u_lip', 'mouth', 'l_lip') if name == 'mouth' else ('neck', 'cloth')
    edges = np.quantile(rows[chosen], np.arange(1, len(names)) / len(names)) if chosen.any() else ()
    labels[chosen] = np.array([LABEL[one] for one in names])[np.searchsorted(edges, rows)][chosen]
  return labels


@pytest.fixture(scope='module')
def people():
  """{name: (image, 19 labels)} and {name: twelve classes} of rendered portraits."""
  numbers = range(COUNT)
  views = np.stack([identity.draw_viewpoint(5, i, 0.3, 0.15) for i in numbers])
  picture = rendering.render_people([identity.draw(5, i) for i in numbers], views, image_size=SIZE)
  image, classes = np.asarray(picture.image), np.asarray(picture.label)
  return {str(i): (image[i], as_19_labels(classes[i])) for i in numbers}, {str(i): classes[i] for i in numbers}


def folder_of_jpegs(root, people):
  images, labels = faces.write_folder(root, people, label_orders.BISENET, extension='jpg')
  return [str(images), '--labels', str(labels), '--label-order', 'bisenet']


def folder_with_table(root, people):
  order = label_orders.LabelOrder('mine', {10 * value + 3: name for value, name in enumerate(faces.LABELS)})
  images, labels = faces.write_folder(root, people, order, extension='jpg')
  (root / 'order.json').write_text(json.dumps(order.labels))
  return [str(images), '--labels', str(labels), '--label-order', str(root / 'order.json')]


def folder_of_npy(root, people):
  images, labels = faces.write_folder(root, people, extension='jpg')
  for path in labels.glob('*.png'):
    path.unlink()
  for name, (_, label) in people.items():
    np.save(labels / f'{name}.npy', label.astype(np.int32))
  return [str(images), '--labels', str(labels)]


def ffhq(root, people):
  images, labels = faces.write_ffhq(root, people)
  return [str(images), '--labels', str(labels), '--label-order', 'bisenet']


@pytest.mark.parametrize('export', [
    folder_of_jpegs, folder_with_table, folder_of_npy, ffhq, lambda root, people: [str(faces.write_celebamask_hq(root, people))]],
    ids=['folder, bisenet', 'folder, table', 'folder, npy', 'ffhq', 'celebamask-hq'])
def test_rendered_portraits_come_back_as_the_same_classes(people, tmp_path, export):
  """Protects every layout from end to end: twelve classes and nine are those that were rendered, pixel for pixel, none is lost."""
  people, classes = people
  arguments = export(tmp_path / 'in', people)
  assert command_line.main([*arguments[:1], str(tmp_path / 'out'), *arguments[1:], '--workers', '1', '--viewpoints', 'none']) == 0
  found = {}
  for split in ('train', 'validation'):
    stored = stored_records.StoredRecords(tmp_path / 'out' / 'real_portraits' / 'size64' / '1.0.0', split, with_all=True)
    config = ml_collections.ConfigDict(dict(name='ffhq', dir=str(tmp_path / 'out'), class_set='ffhq12', dilation='none', record_size=64))
    for class_set in (semantics.FFHQ12, semantics.FFHQ9):
      config.class_set = class_set.name
      masks = loader.open(config).load_split(split, image_size=SIZE)['semantic_mask'].argmax(-1)
      for index, mask in enumerate(masks):
        name = str(int(stored[index]['name'].decode().split('/')[-1]))
        np.testing.assert_array_equal(mask, class_merging.merge_ffhq12(classes[name], class_set))
        np.testing.assert_array_equal(stored[index]['label'], people[name][1])
        found[name] = stored[index]['image']
  assert found.keys() == people.keys()
  assert np.mean([np.abs(found[name].astype(int) - people[name][0]).mean() for name in people]) < 8  # JPEG


def paint(size, parts):
  """A map of the 19 labels from (label, middle x, middle y, half width, half height) in pixels."""
  y, x = np.mgrid[:size, :size]
  labels = np.zeros((size, size), np.uint8)
  for name, middle_x, middle_y, half_width, half_height in parts:
    labels[((x - middle_x) / half_width)**2 + ((y - middle_y) / half_height)**2 <= 1] = LABEL[name]
  return labels


ASTRONAUT = (
    ('hair', 227, 72, 74, 56), ('cloth', 200, 390, 180, 190), ('neck', 222, 175, 40, 22), ('skin', 223, 122, 47, 56),
    ('l_brow', 202, 89, 16, 4), ('r_brow', 247, 90, 16, 4), ('l_eye', 202, 100, 9, 4), ('r_eye', 247, 102, 9, 4), ('nose', 224, 122, 11, 18),
    ('u_lip', 223, 142, 20, 3), ('mouth', 223, 146, 16, 3), ('l_lip', 223, 150, 18, 3))
# in shares of the side: the mean of a hundred tight crops
LFW = (
    ('hair', .44, .12, .40, .16), ('skin', .44, .52, .36, .46), ('l_brow', .27, .27, .11, .035), ('r_brow', .61, .27, .11, .035),
    ('l_eye', .27, .34, .08, .04), ('r_eye', .61, .34, .08, .04), ('nose', .44, .54, .09, .10), ('u_lip', .44, .69, .15, .03),
    ('l_lip', .44, .74, .14, .03))


def test_a_photograph_is_aligned_by_a_mask_made_by_hand(tmp_path):
  """Protects real photographs: scikit-image's astronaut, a small face in a wide picture, is cropped to where FFHQ has faces."""
  astronaut = pytest.importorskip('skimage.data').astronaut()
  faces.write_folder(tmp_path / 'in', {'astronaut': (astronaut, paint(512, ASTRONAUT))})
  arguments = [
      str(tmp_path / 'in' / 'images'), str(tmp_path / 'out'), '--labels', str(tmp_path / 'in' / 'labels'), '--workers', '1',
      '--viewpoints', 'none']
  assert command_line.main([*arguments, '--align', '--sizes', '64', '128']) == 0
  stored = stored_records.StoredRecords(tmp_path / 'out' / 'real_portraits' / 'size128' / '1.0.0', 'train')
  image, labels = stored[0]['image'], stored[0]['label']
  points = alignment.landmarks(labels)
  assert alignment.is_aligned(alignment.offsets(alignment.ffhq_square(points), 128, 128))
  np.testing.assert_allclose([points.left_eye[1], points.right_eye[1]], 0.475 * 128, atol=6)
  skin = image[labels == LABEL['skin']].astype(int).mean(0)
  hair = image[labels == LABEL['hair']].astype(int).mean(0)
  assert skin[0] > skin[1] > skin[2] and skin.sum() > hair.sum() + 100  # a face under its hair
  report = json.loads((tmp_path / 'out' / 'report' / 'report.json').read_text())
  assert report['alignment']['aligned'] == 1 and not report['refused']


def test_a_hundred_photographs_go_through(tmp_path):
  """Protects small folders of grey, tiny photographs: scikit-image's hundred faces of LFW, told to be enlarged, grey and cut too tight."""
  crops = pytest.importorskip('skimage.data').lfw_subset()[:100]
  labels = paint(25, [(name, *(25 * value for value in place)) for name, *place in LFW])
  faces.write_folder(tmp_path / 'in', {f'{i:03d}': ((255 * crop).astype(np.uint8), labels) for i, crop in enumerate(crops)})
  arguments = [
      str(tmp_path / 'in' / 'images'), str(tmp_path / 'out'), '--labels', str(tmp_path / 'in' / 'labels'), '--workers', '1',
      '--viewpoints', 'none']
  assert command_line.main(arguments) == 0
  report = json.loads((tmp_path / 'out' / 'report' / 'report.json').read_text())
  assert report['num_kept'] + sum(one['fault'] == 'duplicate' for one in report['refused']) == 100
  noted = {name: len(group['files']) for name, group in report['noted'].items()}
  assert noted == dict.fromkeys(('grey', 'enlarged', 'misaligned'), report['num_kept'])
  config = ml_collections.ConfigDict(
      dict(name='ffhq', dir=str(tmp_path / 'out'), class_set='ffhq9', dilation='exclusive', record_size=64, flip=True))
  batch = next(loader.open(config).training_iterator(image_size=32, batch_size=8, seed=0))
  assert batch['image'].shape == (8, 32, 32, 3) and batch['semantic_mask'].shape == (8, 32, 32, 9) and 'viewpoint' not in batch
  np.testing.assert_allclose(batch['semantic_mask'].sum(-1), 1, atol=1e-5)
  assert command_line.main([*arguments, '--align']) == 1  # too tight for FFHQ's crop: each says so
  report = json.loads((tmp_path / 'out' / 'report' / 'report.json').read_text())
  assert {one['fault'] for one in report['refused']} - {'duplicate'} == {'out_of_frame'}
