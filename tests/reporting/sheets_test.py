import math

import numpy as np
from PIL import Image
import pytest

from cnerf_jax import semantics
from cnerf_jax.persistence import atomic_files
from cnerf_jax.reporting import sheets

CLASS_SET = semantics.FFHQ12


def striped_masks(*leading, size=24):
  """Masks in which class k owns the columns of stripe k."""
  label = np.arange(size) * CLASS_SET.num_classes // size
  mask = np.eye(CLASS_SET.num_classes, dtype=np.float32)[np.broadcast_to(label, (size, size))]
  return np.broadcast_to(mask, (*leading, *mask.shape))


def colours(image):
  return {tuple(int(channel) for channel in colour) for colour in np.asarray(image).reshape(-1, 3)}


def test_palette_tells_all_classes_apart():
  """Protects from a palette shorter than the classes: every class of every set has its own colour."""
  for class_set in semantics.CLASS_SETS.values():
    assert len(set(class_set.palette)) == class_set.num_classes


def test_coloured_mask():
  """Protects what a mask picture says: the strongest class's colour, as opaque as the masks' sum, white where empty."""
  mask = np.zeros((1, 4, 12), np.float32)
  mask[0, 0, semantics.SemanticClass.HAIR] = 1.0
  mask[0, 1, semantics.SemanticClass.HAIR] = 0.5
  mask[0, 2] = -0.2
  mask[0, 2, semantics.SemanticClass.HAT] = 3.0
  picture = sheets.coloured_mask(mask, CLASS_SET)
  hair = np.array(CLASS_SET.palette[semantics.SemanticClass.HAIR])
  np.testing.assert_array_equal(picture[0, 0], hair)
  np.testing.assert_array_equal(picture[0, 1], np.rint((hair + 255.0) / 2))
  np.testing.assert_array_equal(picture[0, 2], CLASS_SET.palette[semantics.SemanticClass.HAT])
  np.testing.assert_array_equal(picture[0, 3], [255, 255, 255])


def test_wrong_class_set():
  """Protects from masks painted with the colours of another class set."""
  with pytest.raises(ValueError, match='12 mask channels do not fit the 9 classes of ffhq9'):
    sheets.coloured_mask(np.zeros((4, 4, 12)), semantics.FFHQ9)


def test_sample_sheet():
  """Protects the sheet's order: identities down, views across, image left of its mask, normals on the right, cells of 64 pixels, a legend."""
  images = np.zeros((2, 3, 24, 24, 3), np.float32)
  shades = np.linspace(-1, 1, 6).reshape(2, 3)
  images += shades[..., None, None, None]
  normals = np.broadcast_to(np.array([0, 0, 1.0]), images.shape)
  picture = sheets.sample_sheet(images, striped_masks(2, 3), normals, CLASS_SET, azimuths=(-0.45, 0.0, 0.45), title='step 10')
  pixels = np.asarray(picture).astype(int)
  expected = np.rint((shades * 0.5 + 0.5) * 255).astype(int)
  corners = {}
  for shade in expected.flat:
    where = np.argwhere((pixels == shade).all(-1)) if shade < 255 else None
    if where is not None:
      cells = [corner for corner in where if (pixels[corner[0]:corner[0] + 72, corner[1]:corner[1] + 72] == shade).all()
               and corner[0] + 72 <= pixels.shape[0] and corner[1] + 72 <= pixels.shape[1]]
      assert len(cells) == 1, f'no cell of 72 pixels for shade {shade}'
      corners[shade] = cells[0]
  first, second, third = expected[0]
  fourth = expected[1, 0]
  assert corners[first][0] == corners[second][0] == corners[third][0] < corners[fourth][0]
  assert corners[first][1] < corners[second][1] < corners[third][1] and corners[fourth][1] == corners[first][1]
  y, x = corners[second]
  mask_colours = pixels[y, x + 72:x + 144:6]
  np.testing.assert_array_equal(mask_colours, CLASS_SET.palette)
  assert (pixels[y:y + 72, x + 144:x + 216] == (128, 128, 255)).all()  # normals, towards the camera
  bottom = colours(pixels[corners[fourth][0] + 73:])
  assert set(CLASS_SET.palette) <= bottom


def test_coloured_normals():
  """Protects what tells a nose from a dent: right is red, up is green, towards the camera is blue; what is not opaque fades to white."""
  picture = sheets.coloured_normals(np.array([[[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0.5], [0, 0, 0], [np.nan] * 3]], np.float32))
  np.testing.assert_array_equal(
      picture[0], [[255, 128, 128], [0, 128, 128], [128, 255, 128], [128, 128, 255], [191, 191, 255], [255, 255, 255], [255, 0, 255]])


def test_class_sheet():
  """Protects the sheet of local generators: one row per class, in order, with its own mask in its own colour."""
  part_images = np.full((12, 2, 24, 24, 3), -1.0, np.float32)
  picture = sheets.class_sheet(part_images, striped_masks(2), CLASS_SET)
  pixels = np.asarray(picture)
  heights = []
  for index, colour in enumerate(CLASS_SET.palette):
    rows, columns = np.nonzero((pixels == colour).all(-1))
    in_cells = columns > columns.min() + 20  # right of the swatch
    assert in_cells.any()
    heights.append(np.median(rows[in_cells]))
    assert rows[in_cells].max() - rows[in_cells].min() < 72, CLASS_SET.classes[index]
  assert heights == sorted(heights)


@pytest.mark.parametrize('call', [
    lambda: sheets.sample_sheet(np.zeros((2, 3, 8, 8, 3)), np.zeros((2, 2, 8, 8, 12)), np.zeros((2, 3, 8, 8, 3)), CLASS_SET),
    lambda: sheets.sample_sheet(np.zeros((2, 3, 8, 8, 3)), np.zeros((2, 3, 8, 8, 12)), np.zeros((2, 2, 8, 8, 3)), CLASS_SET),
    lambda: sheets.sample_sheet(np.zeros((2, 3, 8, 8, 3)), np.zeros((2, 3, 8, 8, 12)), np.zeros((2, 3, 8, 8, 3)), CLASS_SET, azimuths=[0.0]),
    lambda: sheets.class_sheet(np.zeros((3, 2, 8, 8, 3)), np.zeros((2, 8, 8, 12)), CLASS_SET),
], ids=['views differ', 'normals differ', 'azimuths differ', 'classes missing'])
def test_shapes_that_do_not_fit(call):
  """Protects from sheets that mix up identities, views and classes."""
  with pytest.raises(ValueError):
    call()


def test_broken_pixels_are_seen():
  """Protects from NaN shown as black: a broken pixel is magenta."""
  images = np.zeros((1, 1, 64, 64, 3), np.float32)
  images[0, 0, :8, :8] = math.nan
  normals = np.broadcast_to(np.array([0, 0, 1.0]), images.shape)
  picture = sheets.sample_sheet(images, striped_masks(1, 1, size=64), normals, CLASS_SET)
  assert ((np.asarray(picture) == (255, 0, 255)).all(-1)).sum() == 64


def test_saved_whole(tmp_path, monkeypatch):
  """Protects a picture that a reader has open, and the old one when the disk is full."""
  path = tmp_path / 'deep' / 'sheet.png'
  picture = Image.new('RGB', (8, 8), (1, 2, 3))
  sheets.save(picture, path)
  assert colours(Image.open(path)) == {(1, 2, 3)}
  def fail(descriptor):
    raise OSError(28, 'No space left on device')
  monkeypatch.setattr(atomic_files.os, 'fsync', fail)
  with pytest.raises(OSError, match='sheet.png: no space left on the disk'):
    sheets.save(Image.new('RGB', (8, 8)), path)
  assert colours(Image.open(path)) == {(1, 2, 3)}
  assert [entry.name for entry in path.parent.iterdir()] == ['sheet.png']


def test_leak_sheet():
  """Protects the map of leaks: donor, receiver, edited, then a map for each kind of edit, green where the class is and red elsewhere, white
  where nothing changes; a change that is not a number stays white."""
  examples = np.zeros((12, 3, 8, 8, 3), np.float32) + np.float32([-0.5, 0, 0.5])[:, None, None, None]
  inside, outside = np.zeros((12, 2, 8, 8)), np.zeros((12, 2, 8, 8))
  inside[3, 1], outside[5, 0], outside[7, 0] = 99.0, 16.0, np.nan
  picture = np.asarray(sheets.leak_sheet(examples, inside, outside, CLASS_SET, kinds=('shape', 'texture'), title='step 1'))
  pixels = picture.reshape(-1, 3)
  count = lambda colour: (pixels == colour).all(axis=-1).sum()
  cell = 64 * 64  # pixels are enlarged
  assert min(count([64] * 3), count([128] * 3), count([191] * 3)) >= 12 * cell
  assert count([0, 130, 60]) == count([237, 127, 127]) == cell  # in full colour, and at half of it
  with pytest.raises(ValueError, match=r'\[K, 3, H, W, 3\] and twice \[K, 1, H, W\]'):
    sheets.leak_sheet(examples, inside, outside, CLASS_SET, kinds=('shape',))


def test_nearest_sheet():
  """Protects the look at copies: each sample left of its portrait, the nearest in the first column, its rows named by both distances; fewer
  others leave white."""
  grey = lambda *levels: np.stack([np.full((64, 64, 3), level, np.float32) for level in levels])
  sheet = np.asarray(sheets.nearest_sheet(
      (grey(-1.0, -0.5), grey(0.0, 0.5), np.array([0.1, 0.2])), (grey(0.25), grey(0.75), np.array([0.8])), title='step 7'))
  levels = {name: int(sheets.pixels(grey(level))[0, 0, 0, 0]) for name, level in dict(
      a=-1.0, b=-0.5, pa=0.0, pb=0.5, other=0.25, p_other=0.75).items()}
  centre = {}
  for name, level in levels.items():
    rows, columns = np.nonzero((sheet == level).all(-1))
    centre[name] = np.median(rows), np.median(columns)
  near = lambda value: pytest.approx(value, abs=2)  # a few pixels of the words have the same grey
  for row in (('a', 'pa', 'other', 'p_other'), ('b', 'pb')):
    assert [centre[name][0] for name in row] == [near(centre[row[0]][0])] * len(row)
  assert centre['b'][0] - centre['a'][0] == near(68) and centre['b'][1] == near(centre['a'][1])
  assert [centre[name][1] - centre['a'][1] for name in ('pa', 'pb', 'other', 'p_other')] == [near(64), near(64), near(132), near(196)]
  y, x = (int(value) for value in (centre['b'][0], centre['other'][1]))
  assert (sheet[y - 20:y + 20, x - 20:x + 20] == 255).all()
