"""Whatever a folder holds, nothing is lost: every file is in the records or has a line in the report, and nothing ends in a traceback."""

import contextlib
import io
import json
import os
import pathlib
import tempfile

import faces
import hypothesis
from hypothesis import strategies as st
import numpy as np
from PIL import Image

from data_pipeline import stored_records
from data_pipeline.prepare import __main__ as command_line
from data_pipeline.prepare import faults

IMAGE, LABELS = faces.face(0, 24)


def encoded(pixels: np.ndarray, format_: str, mode: str) -> bytes:
  buffer = io.BytesIO()
  Image.fromarray(pixels).convert(mode).save(buffer, format_)
  return buffer.getvalue()


def npy(array: np.ndarray) -> bytes:
  buffer = io.BytesIO()
  np.save(buffer, array, allow_pickle=array.dtype == object)
  return buffer.getvalue()


@st.composite
def mutated(draw, whole: bytes) -> bytes:
  """Bytes with some of them cut off, changed, put in or doubled; often as they were."""
  kind = draw(st.sampled_from(['whole', 'whole', 'cut', 'flip', 'insert', 'random', 'empty']))
  if kind == 'whole':
    return whole
  if kind == 'cut':
    return whole[:draw(st.integers(0, len(whole)))]
  if kind in ('flip', 'insert'):
    at, bytes_ = draw(st.integers(0, len(whole) - 1)), draw(st.binary(min_size=1, max_size=6))
    return whole[:at] + bytes_ + whole[at + (len(bytes_) if kind == 'flip' else 0):]
  return draw(st.binary(max_size=80)) if kind == 'random' else b''


image_bytes = st.one_of([
    mutated(encoded(IMAGE, format_, mode)) for format_, mode in (
        ('PNG', 'RGB'), ('PNG', 'RGBA'), ('PNG', 'P'), ('PNG', 'L'), ('PNG', '1'), ('JPEG', 'RGB'), ('JPEG', 'CMYK'), ('WEBP', 'RGB'),
        ('BMP', 'RGB'), ('TIFF', 'RGB'), ('TIFF', 'CMYK'), ('GIF', 'P'))] + [mutated(encoded(IMAGE[:5, :5], 'PNG', 'RGB'))])
label_bytes = st.one_of([mutated(content) for content in (
    encoded(LABELS, 'PNG', 'L'), encoded(LABELS, 'PNG', 'P'), encoded(IMAGE, 'PNG', 'RGB'), encoded(LABELS[:, :9], 'PNG', 'L'),
    encoded(LABELS + np.uint8(7), 'PNG', 'L'), npy(LABELS), npy(LABELS.astype(np.int64)), npy(LABELS.astype(float)),
    npy(np.array([[{}]], object)))])
letters = st.characters(exclude_characters='/\0', exclude_categories=['Cs'])
odd_names = ['a', 'b', 'c', 'ä', 'a b', '-x', '.hid', 'a\nb', '00001']
stems = st.one_of(st.sampled_from(odd_names), st.text(letters, min_size=1, max_size=12)).filter(
    lambda name: name not in ('.', '..') and len(os.fsencode(name)) < 100)
extensions = st.sampled_from(['.png', '.png', '.jpg', '.PNG', '.npy', '.txt', '', '.webp', '.tif', '.bmp'])
folders = st.sampled_from(['', '', '', 'sub/'])


@st.composite
def inputs(draw):
  """({image file: bytes}, {label file: bytes}) with many names in common."""
  common = draw(st.lists(stems, max_size=4, unique=True))
  name = st.builds(lambda folder, stem, extension: folder + stem + extension, folders, st.sampled_from(common) if common else stems, extensions)
  files = lambda content: draw(st.dictionaries(name, content, max_size=5))
  images, labels = files(image_bytes), files(label_bytes)
  for stem in common[:2]:  # so that something is kept
    images[stem + '.png'] = draw(image_bytes)
    labels[stem + '.png'] = draw(label_bytes)
  return images, labels


def write(folder: pathlib.Path, files: dict[str, bytes]) -> int:
  """Number of files written; names that this file system can't hold, or a folder of the same name, are left out."""
  folder.mkdir(parents=True)
  written = set()
  for name, content in files.items():
    path = folder / name
    with contextlib.suppress(OSError, ValueError):
      path.parent.mkdir(exist_ok=True)
      path.write_bytes(content)
      written.add(path)
  return len(written)


@hypothesis.settings(max_examples=60, deadline=None, suppress_health_check=list(hypothesis.HealthCheck), derandomize=True)
@hypothesis.given(inputs(), st.booleans())
def test_every_file_is_kept_or_has_a_line(files, align):
  """Protects users' folders: mutated images, masks and names lead to records and lines, and both together are all that was there."""
  with tempfile.TemporaryDirectory() as folder:
    root = pathlib.Path(folder)
    num_images, num_labels = write(root / 'images', files[0]), write(root / 'labels', files[1])
    output, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
      code = command_line.main([
          str(root / 'images'), str(root / 'out'), '--labels', str(root / 'labels'), '--workers', '1', '--sizes', '16', '--no-order-check',
          '--validation', '0', '--viewpoints', 'none'] + ['--align'] * align)
    report = json.loads((root / 'out' / 'report' / 'report.json').read_text())
    assert (code == 0) == (report['num_kept'] > 0), errors.getvalue()
    known = {fault.name.lower() for fault in faults.Fault}
    for one in report['refused']:
      assert one['fault'] in known and '\n' not in one['line'] and '; ' in one['line']
    of_images = [one for one in report['refused'] if one['file'].startswith('images/')]
    assert len({one['file'] for one in of_images}) == len(of_images)
    assert report['num_kept'] + len(of_images) == num_images
    used = report['num_kept'] + sum(one['fault'] not in ('no_label', 'same_name', 'not_an_image', 'empty', 'no_image') for one in of_images)
    unused = sum(one['file'].startswith('labels/') for one in report['refused'])
    assert unused <= num_labels <= unused + used + len(of_images)
    if report['num_kept']:
      stored = stored_records.StoredRecords(root / 'out' / 'real_portraits' / 'size16' / '1.0.0', 'train')
      assert len(stored) == report['num_kept']
      assert all(stored[i]['label'].max() < len(faces.LABELS) for i in range(len(stored)))
