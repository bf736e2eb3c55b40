"""Are faces found in photographs that are not cropped to them? python -m benchmarks.face_search --photographs=DIR [--poses=FILE.json]

Photographs that are aligned crops (images/*.jpg of DIR, their label maps in labels/*.png) are pasted onto larger canvases, turned a little, at
random places, as large as --sides says in sides of the crop: on a plain colour, on blurred noise, and on a mosaic of another photograph's
background. Then the shipped parser looks for the face (`data_pipeline/face_parser/photographs.py`). Printed for each side and background: the
fraction that is kept as a face, of these the fraction whose frame is the true one (centre within a tenth of the crop's side, size within a
fifth), their errors, and the correlation of the azimuths that are read off the kept maps with --poses. Canvases without a face come last: all
should be refused. With --framed the untouched photographs are judged, and how many are taken for framed is printed, at once or after a search.
Every third photograph is used, from the second on: the rules were set on others.
"""

from __future__ import annotations

import math
import os
import pathlib
import time

from absl import app
from absl import flags
import numpy as np
from PIL import Image
from PIL import ImageFilter

from benchmarks import label_viewpoints as label_viewpoints_benchmark
from benchmarks import machine
from data_pipeline.face_parser import framing
from data_pipeline.face_parser import parsing
from data_pipeline.face_parser import photographs
from data_pipeline.label_viewpoints import reading
from data_pipeline.prepare import alignment
from data_pipeline.prepare import faults
from data_pipeline.prepare import parser as parser_lib

_SIDE = 256  # of a pasted photograph, pixels
_TILE = 32
_ROLL = 0.2  # radians, at most
_BACKGROUNDS = ('plain', 'noise', 'mosaic')


def background(kind: str, side: int, files: list[pathlib.Path], rng: np.random.Generator) -> Image.Image:
  """A canvas without a face."""
  if kind == 'plain':
    return Image.new('RGB', (side, side), tuple(int(value) for value in rng.integers(0, 256, 3)))
  if kind == 'noise':
    cells = max(4, side // 12)
    noise = Image.fromarray(rng.integers(0, 256, (cells, cells, 3)).astype(np.uint8))
    return noise.resize((side, side), Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(side / 100))
  tiles = []
  while len(tiles) < 8:
    file = files[rng.integers(len(files))]
    image = np.asarray(Image.open(file).convert('RGB').resize((_SIDE, _SIDE)))
    labels = np.asarray(Image.open(file.parent.parent / 'labels' / f'{file.stem}.png').resize((_SIDE, _SIDE), Image.Resampling.NEAREST))
    places = [(y, x) for y in range(0, _SIDE, _TILE // 2) for x in range(0, _SIDE, _TILE // 2)]
    tiles += [image[y:y + _TILE, x:x + _TILE] for y, x in places if y + _TILE <= _SIDE and x + _TILE <= _SIDE
              and not labels[y:y + _TILE, x:x + _TILE].any()]
  count = -(-side // _TILE)
  rows = [np.concatenate([tiles[rng.integers(len(tiles))] for _ in range(count)], axis=1) for _ in range(count)]
  return Image.fromarray(np.concatenate(rows)[:side, :side])


def pasted(image: Image.Image, canvas: Image.Image, rng: np.random.Generator) -> tuple[np.ndarray, alignment.Square]:
  """A canvas with a turned photograph at a random place, and the square that it covers."""
  roll = rng.uniform(-_ROLL, _ROLL)
  turned, mask = (one.rotate(-math.degrees(roll), expand=True, resample=Image.Resampling.BICUBIC)
                  for one in (image, Image.new('L', image.size, 255)))
  middle = rng.uniform(0, 1, 2) * (np.array(canvas.size) - image.width) + image.width / 2
  corner = np.round(middle - np.array(turned.size) / 2).astype(int)
  canvas.paste(turned, tuple(corner.tolist()), mask)
  return np.asarray(canvas), alignment.Square(corner + np.array(turned.size) / 2, float(image.width), roll)


def squared(image: np.ndarray) -> np.ndarray:
  """Stretched to what a parser takes."""
  side = (parser_lib.INPUT_SIDE, parser_lib.INPUT_SIDE)
  return np.asarray(Image.fromarray(image).resize(side, Image.Resampling.BILINEAR, reducing_gap=2.0))


def look(finder: photographs.FaceFinder, image: np.ndarray) -> tuple[alignment.Square | None, np.ndarray | None, str]:
  """(the frame as preparation would crop it, its labels, why there is none)."""
  (found,) = finder.read(squared(image)[None], [image])
  if found.refusal:
    return None, None, found.refusal
  side = (image.shape[1], image.shape[0])
  labels = np.asarray(Image.fromarray(found.labels).resize(side, Image.Resampling.NEAREST))
  points = alignment.landmarks(labels)
  if points is None:
    return None, None, 'no eyes or no mouth'
  square = alignment.ffhq_square(points)
  try:
    return square, alignment.crop(image, labels, square, parsing.OUTPUT_SIDE)[1], ''
  except faults.Refused as error:  # out of frame, as in preparation
    return None, None, str(error)


def azimuths(maps: list[np.ndarray]) -> np.ndarray:
  """Read off label maps of any size."""
  resized = np.stack([np.asarray(Image.fromarray(one).resize((parsing.OUTPUT_SIDE,) * 2, Image.Resampling.NEAREST)) for one in maps])
  return np.asarray(reading.load().read(reading.shrink(resized)).viewpoint)[:, 0]


def summary(rows: list[dict], poses: dict) -> dict:
  """Of the photographs of one side and background."""
  kept = [row for row in rows if row['square'] is not None]
  result = dict(count=len(rows), kept=len(kept) / max(len(rows), 1), right=float('nan'), azimuth=float('nan'))
  if kept:
    errors = np.array([framing.distance(row['square'], row['true']) for row in kept])
    right = (errors[:, 0] < 0.1) & (errors[:, 1] < 0.2)
    result.update(right=float(right.mean()), centre=float(np.median(errors[:, 0])), scale=float(np.median(errors[:, 1])))
    known = [row for row in kept if row['name'] in poses]
    if len(known) > 2:
      result['azimuth'] = float(np.corrcoef(azimuths([row['labels'] for row in known]), [poses[row['name']][0] for row in known])[0, 1])
  return result


def show(name: str, row: dict) -> None:
  print(f'{name:<16}{row["count"]:>4}{row["kept"]:>8.0%}{row["right"]:>8.0%}{row.get("centre", float("nan")):>8.3f}'
        f'{row.get("scale", float("nan")):>8.3f}{row["azimuth"]:>9.2f}', flush=True)


def judge_framed(files: list[pathlib.Path], parser: parsing.FaceParser, finder: photographs.FaceFinder) -> dict:
  """How aligned crops fare as they are: taken for framed at once, or left whole, cropped or refused after a search."""
  counts = dict(framed=0, left_whole=0, cropped=0, refused=0)
  for start in range(0, len(files), 50):
    images = [np.asarray(Image.open(file).convert('RGB')) for file in files[start:start + 50]]
    squares = np.stack([squared(image) for image in images])
    seen, maps = parser.see(squares, True)
    for k, labels in enumerate(maps):
      if not framing.doubt(framing.one_of(seen, k), labels):
        counts['framed'] += 1
        continue
      (found,) = finder.read(squares[k][None], [images[k]])
      outcome = 'refused' if found.refusal else 'cropped' if found.frame else 'left_whole'
      counts[outcome] += 1
      print(f'{files[start + k].name}: {outcome} {found.refusal}', flush=True)
  print(f'of {len(files)} aligned crops: ' + ', '.join(f'{count} {name.replace("_", " ")}' for name, count in counts.items()), flush=True)
  return counts


def main(argv):
  del argv
  files = sorted((pathlib.Path(_PHOTOGRAPHS.value).expanduser() / 'images').glob('*.jpg'))[1::3]
  if not files:
    raise app.UsageError(f'fewer than two images/*.jpg in {_PHOTOGRAPHS.value}; give a folder of aligned crops')
  poses = label_viewpoints_benchmark.read_poses(_POSES.value) if _POSES.value else {}
  finder, parser, rng = photographs.FaceFinder(parsing.load()), parsing.load(), np.random.default_rng(0)
  result = dict(benchmark='face_search')
  if _FRAMED.value:
    result |= judge_framed(files, parser, finder)
  chosen = files[::max(1, len(files) // _COUNT.value)][:_COUNT.value]
  sides = [float(side) for side in _SIDES.value]
  rows, crops = [], []
  started, processor = time.perf_counter(), time.process_time()
  for k, file in enumerate(chosen):
    side, kind = sides[k % len(sides)], _BACKGROUNDS[k // len(sides) % len(_BACKGROUNDS)]
    photograph = Image.open(file).convert('RGB').resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    image, true = pasted(photograph, background(kind, round(side * _SIDE), files, rng), rng)
    square, labels, why = look(finder, image)
    rows.append(dict(name=file.stem, side=side, kind=kind, true=true, square=square, labels=labels, why=why))
    error = '' if square is None else ' '.join(f'{value:.3f}' for value in framing.distance(square, true))
    print(f'{k}: side {side:g}, {kind}: {why or error}', flush=True)
    if _SHEET.value and square is not None:
      crops.append(alignment.crop(image, np.zeros(image.shape[:2], np.uint8), square, 128)[0])
  seconds, processor = ((after - before) / max(len(chosen), 1) for after, before in (
      (time.perf_counter(), started), (time.process_time(), processor)))
  print(f'{"":16}{"of":>4}{"kept":>8}{"right":>8}{"centre":>8}{"scale":>8}{"azimuth":>9}')
  groups = {f'side {side:g}': [row for row in rows if row['side'] == side] for side in sides}
  groups |= {kind: [row for row in rows if row['kind'] == kind] for kind in _BACKGROUNDS} | {'all': rows}
  result['groups'] = {name: summary(group, poses) for name, group in groups.items()}
  for name, row in result['groups'].items():
    show(name, row)
  refused = [not look(finder, np.asarray(background(_BACKGROUNDS[k % 3], 2 * _SIDE, files, rng)))[2] == '' for k in range(_EMPTY.value)]
  print(f'{sum(refused)} of {len(refused)} canvases without a face are refused')
  print(f'{seconds:.1f} s a photograph, {processor:.1f} s of a processor (load {os.getloadavg()[0]:.1f})')
  result.update(empty_refused=sum(refused), empty=len(refused), seconds=seconds, processor_seconds=processor, load=os.getloadavg()[0])
  if crops:
    tiles = [np.asarray(Image.fromarray(crop).resize((128, 128))) for crop in crops]
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % 8)
    Image.fromarray(np.concatenate([np.concatenate(tiles[i:i + 8], axis=1) for i in range(0, len(tiles), 8)])).save(_SHEET.value)
  machine.append(result, _OUTPUT.value)


if __name__ == '__main__':
  _PHOTOGRAPHS = flags.DEFINE_string('photographs', None, 'Folder with images/*.jpg, aligned crops, and labels/*.png.', required=True)
  _POSES = flags.DEFINE_string('poses', None, 'JSON file of their poses, to compare with.')
  _COUNT = flags.DEFINE_integer('count', 60, 'Photographs, spread over the folder.', lower_bound=1)
  _SIDES = flags.DEFINE_list('sides', ['1.3', '1.7', '2.2', '3.0'], 'Of canvases, in sides of the crop.')
  _EMPTY = flags.DEFINE_integer('empty', 12, 'Canvases without a face.', lower_bound=0)
  _FRAMED = flags.DEFINE_bool('framed', False, 'Judge all photographs as they are, too.')
  _SHEET = flags.DEFINE_string('sheet', None, 'A picture of the crops is written here.')
  _OUTPUT = flags.DEFINE_string('output', None, 'A line of JSON is appended here.')
  app.run(main)
