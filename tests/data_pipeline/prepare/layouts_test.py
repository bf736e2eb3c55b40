"""Every file of an input folder is part of a candidate or refused by name."""

import unicodedata

import faces
import pytest

from data_pipeline.prepare import layouts
from data_pipeline.prepare.faults import Fault

PEOPLE = {str(i): faces.face(i, 16) for i in range(3)}


def read(folder, labels=None, **options):
  return layouts.read(str(folder), layouts.detect(str(folder)), str(labels) if labels else None, **options)


def refused(listing):
  return {one.file: one.fault for one in listing.refused}


def test_folder_pairs_by_path(tmp_path):
  """Protects nested folders of any depth."""
  images, labels = faces.write_folder(tmp_path, {f'a/b{name}': one for name, one in PEOPLE.items()} | {'c': PEOPLE['0']})
  listing = read(images, labels)
  assert [one.name for one in listing.candidates] == ['a/b0', 'a/b1', 'a/b2', 'c'] and not listing.refused
  assert all(one.label_map.endswith(f'labels/{one.name}.png') for one in listing.candidates)


def test_labels_inside_the_image_folder(tmp_path):
  """Protects the plain habit of images/ and labels/ in one folder that is given as input."""
  _, labels = faces.write_folder(tmp_path, PEOPLE)
  assert [one.name for one in read(tmp_path, labels).candidates] == ['images/0', 'images/1', 'images/2']
  assert all(one.label_map for one in read(tmp_path, labels).candidates)


def test_names_are_one_whatever_their_unicode_form(tmp_path):
  """Protects files that were copied from a Mac, which takes letters apart."""
  faces.save(tmp_path / 'images' / (unicodedata.normalize('NFD', 'Zoë Å') + '.png'), PEOPLE['0'][0])
  faces.save(tmp_path / 'labels' / (unicodedata.normalize('NFC', 'Zoë Å') + '.png'), PEOPLE['0'][1])
  listing = read(tmp_path / 'images', tmp_path / 'labels')
  assert [bool(one.label_map) for one in listing.candidates] == [True] and not listing.refused


def test_ffhq_pairs_flat_labels_with_nested_images(tmp_path):
  """Protects the download's folders of a thousand."""
  for thumbnails in (False, True):
    ffhq, labels = faces.write_ffhq(tmp_path / str(thumbnails), {str(i): one for i, one in zip((5, 1005, 69999), PEOPLE.values())}, thumbnails)
    (ffhq / 'LICENSE.txt').write_text('no input')
    listing = read(ffhq, labels)
    assert listing.layout == 'ffhq' and not listing.refused
    assert [one.name for one in listing.candidates] == ['00000/00005', '01000/01005', '69000/69999']
    assert all(one.label_map for one in listing.candidates)


def test_celebamask_hq_gathers_parts(tmp_path):
  """Protects the download's 15 folders of masks: absent parts are absent, unknown ones and those of nobody are named."""
  root = faces.write_celebamask_hq(tmp_path, PEOPLE)
  anno = root / 'CelebAMask-HQ-mask-anno'
  faces.save(anno / '0' / '00001_beard.png', PEOPLE['0'][1])
  faces.save(anno / '0' / '00777_skin.png', PEOPLE['0'][1])
  faces.save(anno / '1' / '00001_skin.png', PEOPLE['0'][1])
  (anno / '0' / 'Thumbs.db').write_bytes(b'x')
  listing = read(root)
  assert listing.layout == 'celebamask-hq' and len(listing.candidates) == 3
  parts = [faces.LABELS[label] for label, _ in listing.candidates[0].parts]
  assert parts == [name for label, name in enumerate(faces.LABELS) if label and (PEOPLE['0'][1] == label).any()]
  assert refused(listing) == {
      'CelebAMask-HQ-mask-anno/0/00001_beard.png': Fault.UNKNOWN_PART, 'CelebAMask-HQ-mask-anno/0/00777_skin.png': Fault.NO_IMAGE,
      'CelebAMask-HQ-mask-anno/1/00001_skin.png': Fault.SAME_NAME, 'CelebAMask-HQ-mask-anno/0/Thumbs.db': Fault.UNKNOWN_PART}


def test_what_does_not_belong_is_named(tmp_path):
  """Protects from silence: other files, empty ones, links to folders, two of a name, labels of nobody."""
  images, labels = faces.write_folder(tmp_path, PEOPLE)
  (images / 'notes.txt').write_text('x')
  (images / '.DS_Store').write_bytes(b'')
  (images / 'around').symlink_to(tmp_path)
  faces.save(images / '0.bmp', PEOPLE['0'][0])
  (images / '1.png').rename(images / '1.dat')  # a picture all the same
  faces.save(labels / 'nobody.png', PEOPLE['0'][1])
  (labels / '0.txt').write_text('x')
  (labels / '2.npy').write_bytes(b'x')
  listing = read(images, labels)
  assert [one.name for one in listing.candidates] == ['0', '1', '2']
  assert listing.candidates[0].image.endswith('0.bmp')
  assert refused(listing) == {
      'images/notes.txt': Fault.NOT_AN_IMAGE, 'images/.DS_Store': Fault.EMPTY, 'images/around': Fault.NOT_A_FILE,
      'images/0.png': Fault.SAME_NAME, 'labels/nobody.png': Fault.NO_IMAGE, 'labels/0.txt': Fault.NOT_A_LABEL_MAP,
      'labels/2.png': Fault.SAME_NAME}


def test_images_for_a_parser_need_no_labels(tmp_path):
  """Protects the fourth layout: images alone."""
  images, _ = faces.write_folder(tmp_path, PEOPLE)
  assert all(one.label_map is None for one in read(images, needs_labels=False).candidates)


@pytest.mark.parametrize('layout, message', [('ffhq', 'no folder images1024x1024 or thumbnails128x128'), ('celebamask-hq', 'CelebA-HQ-img')])
def test_wrong_layouts_are_one_line(tmp_path, layout, message):
  """Protects from the wrong folder of a download."""
  with pytest.raises(ValueError, match=message):
    layouts.read(str(tmp_path), layout, str(tmp_path))
