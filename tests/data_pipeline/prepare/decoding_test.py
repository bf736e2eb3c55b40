"""Files of every make end as 8-bit RGB or a map of integers, or as a named fault; nothing is loaded that could do harm."""

import io
import os
import pickle
import struct
import zlib

import faces
import numpy as np
from PIL import Image
import pytest

from data_pipeline.prepare import decoding
from data_pipeline.prepare import faults
from data_pipeline.prepare.faults import Fault, Note

PIXELS, LABELS = faces.face(0, 32)


def encoded(format_: str, mode: str = 'RGB', **options) -> bytes:
  buffer = io.BytesIO()
  Image.fromarray(PIXELS).convert(mode).save(buffer, format_, **options)
  return buffer.getvalue()


def refusal(function, path) -> faults.Refused:
  with pytest.raises(faults.Refused) as caught:
    function(str(path))
  return caught.value


def write(tmp_path, name: str, content: bytes):
  (tmp_path / name).write_bytes(content)
  return tmp_path / name


def test_plain_pictures_come_back_as_they_are(tmp_path):
  """Protects the common case: PNG is exact, and nothing is noted."""
  for name in ('a.png', 'b.bmp', 'c.tiff', 'd.PNG'):
    image, notes = decoding.read_image(str(faces.save(tmp_path / name, PIXELS)))
    np.testing.assert_array_equal(image, PIXELS)
    assert notes == ()


@pytest.mark.parametrize('name, content, note, error', [
    ('cmyk.jpg', encoded('JPEG', 'CMYK', quality=100), Note.CMYK, 12),
    ('palette.png', encoded('PNG', 'P'), Note.PALETTE, 40),
    ('grey.png', encoded('PNG', 'L'), Note.GREY, None),
    ('wrong.jpg', encoded('PNG'), Note.EXTENSION, 0),
    ('alpha.png', encoded('PNG', 'RGBA'), None, 0),
], ids=lambda value: value if isinstance(value, str) else '')
def test_other_kinds_of_pixels_become_rgb(tmp_path, name, content, note, error):
  """Protects users' odd files: they are converted, told of, and near the original."""
  image, notes = decoding.read_image(str(write(tmp_path, name, content)))
  assert image.shape == PIXELS.shape and image.dtype == np.uint8
  assert notes == ((note,) if note else ())
  if error is not None:
    assert np.abs(image.astype(int) - PIXELS).mean() <= error


def test_sixteen_bits_keep_their_high_ones(tmp_path):
  """Protects brightness: 16-bit grey of full range is not cut off at 255."""
  faces.save(tmp_path / 'deep.png', np.linspace(0, 65535, 32 * 32).reshape(32, 32).astype(np.uint16))
  image, notes = decoding.read_image(str(tmp_path / 'deep.png'))
  assert image.min() == 0 and image.max() == 255 and 120 < image.mean() < 135 and Note.SIXTEEN_BIT in notes


def test_sixteen_bit_colours_are_noted(tmp_path):
  """Protects the report: RGB of 16 bits, which Pillow itself can't write."""
  row = b'\0' + np.full((32, 3), 0x80FF, '>u2').tobytes()
  chunk = lambda kind, data: struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
  png = b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', 32, 32, 16, 2, 0, 0, 0)) + chunk(
      b'IDAT', zlib.compress(row * 32)) + chunk(b'IEND', b'')
  image, notes = decoding.read_image(str(write(tmp_path, 'deep.png', png)))
  assert (image == 0x80).all() and notes == (Note.SIXTEEN_BIT,)


def test_transparent_parts_become_grey(tmp_path):
  """Protects against whatever colour hides under alpha 0."""
  pixels = np.dstack([PIXELS, np.full(PIXELS.shape[:2], 255, np.uint8)])
  pixels[:16, :, 3] = 0
  image, notes = decoding.read_image(str(faces.save(tmp_path / 'cut.png', pixels)))
  assert (image[:16] == 128).all() and notes == (Note.ALPHA,)
  np.testing.assert_array_equal(image[16:], PIXELS[16:])


@pytest.mark.parametrize('orientation', range(2, 9))
def test_exif_turns_pictures_upright(tmp_path, orientation):
  """Protects against sideways faces: each orientation undoes what a camera that was held so would have stored."""
  stored = {2: PIXELS[:, ::-1], 3: PIXELS[::-1, ::-1], 4: PIXELS[::-1], 5: PIXELS.transpose(1, 0, 2), 6: np.rot90(PIXELS, 1),
            7: PIXELS[::-1, ::-1].transpose(1, 0, 2), 8: np.rot90(PIXELS, -1)}[orientation]
  exif = Image.Exif()
  exif[0x0112] = orientation
  image, notes = decoding.read_image(str(faces.save(tmp_path / 'a.png', np.ascontiguousarray(stored), exif=exif)))
  np.testing.assert_array_equal(image, PIXELS)
  assert notes == (Note.TURNED,)


@pytest.mark.parametrize('name, content, fault', [
    ('empty.png', b'', Fault.EMPTY),
    ('cut.png', encoded('PNG')[:-300], Fault.TRUNCATED),
    ('cut.jpg', encoded('JPEG')[:-300], Fault.TRUNCATED),
    ('head.png', encoded('PNG')[:20], None),
    ('text.png', b'hello', Fault.NOT_AN_IMAGE),
    ('script.png', b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n', Fault.NOT_AN_IMAGE),
    ('tiny.png', None, Fault.TOO_SMALL),
], ids=lambda value: value if isinstance(value, str) else '')
def test_damaged_pictures_are_refused_by_name(tmp_path, name, content, fault):
  """Protects the run: a decoder's error becomes a fault with a reason, without paths."""
  if content is None:
    faces.save(tmp_path / name, PIXELS[:4, :4])
  else:
    write(tmp_path, name, content)
  refused = refusal(decoding.read_image, tmp_path / name)
  assert fault is None or refused.fault is fault
  assert '\n' not in refused.detail and str(tmp_path) not in refused.detail


def test_decompression_bombs_are_not_decoded(tmp_path):
  """Protects memory: the header's size decides, a long row of zeros never gets expanded."""
  header = struct.pack('>IIBBBBB', 60_000, 60_000, 8, 2, 0, 0, 0)
  chunk = lambda kind, data: struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
  bomb = b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) + chunk(b'IDAT', zlib.compress(bytes(10**6))) + chunk(b'IEND', b'')
  assert refusal(decoding.read_image, write(tmp_path, 'bomb.png', bomb)).fault is Fault.HUGE
  assert refusal(lambda path: decoding.read_image(path, max_pixels=100), faces.save(tmp_path / 'a.png', PIXELS)).fault is Fault.HUGE
  limit = Image.MAX_IMAGE_PIXELS
  decoding.read_image(str(tmp_path / 'a.png'))
  assert Image.MAX_IMAGE_PIXELS == limit


def test_pipes_and_folders_are_not_opened(tmp_path):
  """Protects against waiting for ever on a pipe."""
  os.mkfifo(tmp_path / 'pipe.png')
  assert refusal(decoding.read_image, tmp_path / 'pipe.png').fault is Fault.NOT_A_FILE
  (tmp_path / 'dir.png').mkdir()
  assert refusal(decoding.read_image, tmp_path / 'dir.png').fault is Fault.NOT_A_FILE
  (tmp_path / 'lost.png').symlink_to(tmp_path / 'nowhere')
  assert refusal(decoding.read_image, tmp_path / 'lost.png').fault is Fault.UNREADABLE


@pytest.mark.parametrize('save', [
    lambda path: faces.save(path, LABELS), lambda path: faces.save(path, np.dstack([LABELS] * 3)),
    lambda path: faces.save(path, np.dstack([LABELS] * 3 + [LABELS * 0 + 255])), lambda path: faces.save(path, LABELS.astype(np.uint16)),
    lambda path: Image.fromarray(LABELS).convert('P', palette=Image.Palette.ADAPTIVE).save(path) or path,
], ids=['grey', 'equal channels', 'equal channels and alpha', '16 bits', 'palette'])
def test_label_maps_keep_their_integers(tmp_path, save, request):
  """Protects the labels: whatever PNG they are in, the numbers stay (of a palette, its indices)."""
  path = tmp_path / 'label.png'
  save(path)
  expected = np.asarray(Image.open(path)) if 'palette' in request.node.callspec.id and '16' not in request.node.callspec.id else LABELS
  np.testing.assert_array_equal(decoding.read_label(str(path)), expected)


@pytest.mark.parametrize('dtype', [np.uint8, np.int64, bool, '>i2'])
def test_npy_label_maps_of_any_integers(tmp_path, dtype):
  """Protects parsers' output: any integer type, with or without a channel axis."""
  labels = LABELS.astype(dtype)
  for name, array in (('a.npy', labels), ('b.npy', labels[..., None]), ('c.npy', labels[None])):
    np.save(tmp_path / name, array)
    np.testing.assert_array_equal(decoding.read_label(str(tmp_path / name)), labels)


class Harmful:
  """Would make a file if it were unpickled."""

  def __reduce__(self):
    return open, ('harm', 'w')


def test_pickles_are_never_loaded(tmp_path, monkeypatch):
  """Protects the machine: an array of objects is refused before anything in it comes to life."""
  monkeypatch.chdir(tmp_path)
  np.save(tmp_path / 'objects.npy', np.array([Harmful()], object), allow_pickle=True)
  assert refusal(decoding.read_label, tmp_path / 'objects.npy').fault is Fault.PICKLED
  refused = refusal(decoding.read_label, write(tmp_path, 'bare.npy', pickle.dumps(Harmful())))
  assert refused.fault in (Fault.PICKLED, Fault.UNREADABLE)
  assert not (tmp_path / 'harm').exists()


@pytest.mark.parametrize('name, content, fault', [
    ('colours.png', encoded('PNG'), Fault.NOT_A_LABEL_MAP), ('lossy.png', encoded('JPEG', 'L'), Fault.NOT_A_LABEL_MAP),
    ('float.npy', np.zeros((8, 8), np.float32), Fault.NOT_A_LABEL_MAP), ('cube.npy', np.zeros((4, 8, 8), np.uint8), Fault.NOT_A_LABEL_MAP),
    ('empty.npy', b'', Fault.EMPTY), ('text.npy', b'hello', Fault.UNREADABLE), ('cut.npy', None, Fault.TRUNCATED),
    ('none.npy', np.zeros((0, 8), np.uint8), Fault.NOT_A_LABEL_MAP),
], ids=lambda value: value if isinstance(value, str) else '')
def test_what_is_no_label_map_is_refused(tmp_path, name, content, fault):
  """Protects the labels from colours, lossy files, logits and halves."""
  path = tmp_path / name
  if content is None:
    np.save(path, np.zeros((64, 64), np.uint8))
    content = path.read_bytes()[:-100]
  if isinstance(content, np.ndarray):
    np.save(path, content)
  else:
    path.write_bytes(content)
  assert refusal(decoding.read_label, path).fault is fault


def test_archives_under_another_name_are_refused(tmp_path):
  """Protects against np.load's guessing: a zip of arrays is no array."""
  np.savez(tmp_path / 'a.npz', LABELS)
  (tmp_path / 'a.npz').rename(tmp_path / 'a.npy')
  assert refusal(decoding.read_label, tmp_path / 'a.npy').fault is Fault.NOT_A_LABEL_MAP


def test_every_fault_and_note_has_words():
  """Protects the report: a line says what it is and what to do."""
  for fault in Fault:
    line = faults.Refusal('a.png', fault, 'detail').line()
    assert line.startswith('a.png: ') and '; ' in line and '\n' not in line
  assert len({fault.text for fault in Fault}) == len(Fault)
  assert faults.printable('a\nb\u202e\udce9') == 'a\\nb\\u202e\\udce9'
