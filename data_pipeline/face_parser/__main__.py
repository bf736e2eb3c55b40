"""Label maps of photographs from the command line: `python -m data_pipeline.face_parser --help`."""

import argparse
import concurrent.futures
import os
import pathlib
import sys

import numpy as np
from PIL import Image
import tqdm

from cnerf_jax.persistence import atomic_files
from data_pipeline import command_lines
from data_pipeline.face_parser import accuracy
from data_pipeline.face_parser import network
from data_pipeline.face_parser import parameters as parameters_lib
from data_pipeline.face_parser import parsing
from data_pipeline.face_parser import photographs as photographs_lib
from data_pipeline.face_parser import training
from data_pipeline.prepare import decoding
from data_pipeline.prepare import faults
from data_pipeline.prepare import parser as parser_lib

_DESCRIPTION = """\
Reads label maps (hair, skin, eyes, ...) off photographs; where they are not framed as portraits it looks for the face.

  Label maps of a folder of photographs, PNGs of the 19 CelebAMask-HQ integers with the same names:
    python -m data_pipeline.face_parser parse PHOTOS LABELS

  How the network that does it was trained (half an hour on two cores, after 10 minutes of drawing people):
    python -m data_pipeline.people export PEOPLE --count 8000 --size 128 --seed 11
    python -m data_pipeline.face_parser train PEOPLE parameters.npz

python -m data_pipeline.prepare does the first with --parser people; docs/data.md has the rest.
"""
_HELD_OUT = 40  # the last of so many equal parts of the portraits tells how accurate the others have made it
_SUFFIXES = ('.jpg', '.jpeg', '.png', '.webp')


def make_parser() -> argparse.ArgumentParser:
  """The command line."""
  parser = argparse.ArgumentParser(
      prog='python -m data_pipeline.face_parser', description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter)
  commands = parser.add_subparsers(dest='command', metavar='COMMAND', required=True)
  parse = commands.add_parser('parse', help='label maps of a folder of photographs')
  parse.add_argument('photos', metavar='PHOTOS', help='folder of images')
  parse.add_argument('labels', metavar='LABELS', help='folder for label maps, NAME.png each; what is there is not written again')
  parse.add_argument('--parameters', metavar='FILE.npz', default=str(parameters_lib.SHIPPED), help='of another network than the shipped one')
  parse.add_argument('--no-face-search', action='store_true', help='take every photograph for framed as a portrait, as it is')
  train = commands.add_parser('train', help='train the network on an export of people')
  train.add_argument('export', metavar='PEOPLE', help='folder that `python -m data_pipeline.people export` wrote, of 128 pixels or more')
  train.add_argument('output', metavar='FILE.npz', help='where to write the parameters')
  train.add_argument('--steps', type=int, default=2_400, help='of training (default: 2400)')
  train.add_argument('--batch-size', type=int, default=16, help='portraits a step (default: 16)')
  train.add_argument('--seed', type=int, default=0, help='of parameters and draws (default: 0)')
  return parser


def parse_folder(photos: str, labels: str, parameters: str, no_face_search: bool = False) -> None:
  """Writes a label map for each photograph, and says in which it had to look for the face, and which can't be read.

  Where the face is in a part of a photograph, the rest of the map is background.
  """
  network_, paths, output = parsing.load(parameters), _pictures(photos), pathlib.Path(labels).expanduser()
  parser = parser_lib.AsTheyAre(network_) if no_face_search else photographs_lib.FaceFinder(network_)
  try:
    output.mkdir(parents=True, exist_ok=True)
  except OSError as error:
    raise atomic_files.explained(error, 'write to', output) from error
  missing = [path for path in paths if not (output / f'{path.stem}.png').exists()]
  refused, reframed = [], 0
  with tqdm.tqdm(total=len(missing), unit=' photographs') as progress:
    for start in range(0, len(missing), parser.batch_size):
      chunk, images = missing[start:start + parser.batch_size], {}
      for path in chunk:
        try:
          images[path] = parser_lib.read_photograph(str(path), decoding.MAX_PIXELS)
        except faults.Refused as error:
          refused.append(f'{path.name}: {error}')
      found = parser.read(np.stack([square for square, *_ in images.values()]), [copy for _, copy, _ in images.values()]) if images else ()
      for (path, (*_, shape)), reading in zip(images.items(), found):
        if reading.refusal:
          refused.append(faults.Refusal(path.name, faults.Fault.FACE_NOT_FOUND, reading.refusal).line())
          continue
        reframed += reading.frame is not None
        parser_lib.write_label_map(str(output / f'{path.stem}.png'), reading.labels, shape)
      progress.update(len(chunk))
  print(f'{len(paths) - len(refused)} label maps in {labels}')
  if reframed:
    print(f'{reframed} of them of a face in a part of the photograph; the rest of these maps is background')
  for line in refused:
    print(f'refused: {line}')


def train(export: str, output: str, steps: int, batch_size: int, seed: int) -> None:
  """Trains on an export, and says how accurate the network is on portraits that it has not seen."""
  for name, value in (('steps', steps), ('batch-size', batch_size)):
    if value < 1:
      raise ValueError(f'--{name} {value} must be at least 1')
  images, labels = read_export(export)
  held_out = np.arange(len(images)) >= len(images) - max(1, len(images) // _HELD_OUT)
  with tqdm.tqdm(total=steps, unit=' steps') as progress:
    def on_step(step, loss):
      progress.update()
      if step % 20 == 0:
        progress.set_postfix(loss=f'{float(loss):.3f}')
    params = training.train(images[~held_out], labels[~held_out], steps=steps, batch_size=batch_size, seed=seed, on_step=on_step)
  found = parsing.FaceParser(params).parse(images[held_out])[:, ::2, ::2]
  rows = {name: round(value, 3) for name, value in accuracy.intersection_over_union(found, labels[held_out]).items()}
  parsing.save(output, params, dict(
      trained_on=f'{int((~held_out).sum())} synthetic people', steps=steps, batch_size=batch_size, seed=seed, held_out=rows))
  print('intersection over union on people that it has not seen: ' + ', '.join(f'{name} {value:.2f}' for name, value in rows.items()))
  print(f'parameters in {output} ({pathlib.Path(output).stat().st_size / 1000:.0f} kB)')


def read_export(export: str) -> tuple[np.ndarray, np.ndarray]:
  """Images and label maps of an export, at the network's size; ValueError in one line if they are not there."""
  folder = pathlib.Path(export).expanduser()
  images = sorted((folder / 'images').glob('*.jpg'))
  if len(images) < 2:
    raise ValueError(f'{len(images)} images in {folder / "images"}; give the folder of python -m data_pipeline.people export')

  def read(path):
    try:
      with Image.open(path) as image, Image.open(folder / 'labels' / f'{path.stem}.png') as labels:
        if min(image.size) < network.SIZE or image.size[0] != image.size[1] or labels.size != image.size:
          raise ValueError(f'{path} has {image.size[0]}x{image.size[1]} pixels; give an export of --size {network.SIZE} or more')
        side = (network.SIZE, network.SIZE)
        return np.asarray(image.resize(side, Image.Resampling.BOX)), np.asarray(labels.resize(side, Image.Resampling.NEAREST), np.uint8)
    except OSError as error:
      raise ValueError(f'{path} is no portrait with a label map ({error})') from error

  with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool, tqdm.tqdm(total=len(images), unit=' portraits') as progress:
    pairs = []
    for pair in pool.map(read, images):
      pairs.append(pair)
      progress.update()
  return np.stack([image for image, _ in pairs]), np.stack([labels for _, labels in pairs])


def _pictures(folder: str) -> list[pathlib.Path]:
  paths = sorted(path for path in pathlib.Path(folder).expanduser().glob('*') if path.suffix.lower() in _SUFFIXES)
  if not paths:
    raise ValueError(f'no image ({", ".join(_SUFFIXES)}) in {folder}; give a folder of them')
  return paths


def main(arguments: list[str] | None = None) -> int:
  """Runs the command line; returns the exit code."""
  return command_lines.run(make_parser(), {'parse': parse_folder, 'train': train}, arguments)


if __name__ == '__main__':
  sys.exit(main())
