"""Cameras of label maps from the command line: `python -m data_pipeline.label_viewpoints --help`."""

import argparse
from collections.abc import Callable
import pathlib
import sys

import numpy as np
from PIL import Image
import tqdm

from cnerf_jax.persistence import atomic_files
from cnerf_jax.persistence import viewpoints_file
from data_pipeline import command_lines
from data_pipeline.label_viewpoints import accuracy
from data_pipeline.label_viewpoints import network
from data_pipeline.label_viewpoints import parameters as parameters_lib
from data_pipeline.label_viewpoints import reading
from data_pipeline.label_viewpoints import training
from data_pipeline.prepare import decoding
from data_pipeline.prepare import faults
from data_pipeline.prepare import label_orders

_DESCRIPTION = """\
Reads from label maps where the camera stood.

  Cameras of a folder of label maps, as {"name": [azimuth, elevation]} in radians:
    python -m data_pipeline.label_viewpoints read LABELS viewpoints.json

  How the network that does it was trained (20 minutes on two cores, most of them drawing):
    python -m data_pipeline.people export PEOPLE --count 8000 --size 128 --azimuth-std 0.27 --elevation-std 0.25 --elevation-mean 0.1
    python -m data_pipeline.label_viewpoints train PEOPLE parameters.npz

python -m data_pipeline.prepare does the first for every photograph that it prepares; docs/data.md has the rest.
"""
_HELD_OUT = 20  # the last of so many equal parts of the maps tells how accurate the others have made it


def make_parser() -> argparse.ArgumentParser:
  """The command line."""
  parser = argparse.ArgumentParser(
      prog='python -m data_pipeline.label_viewpoints', description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter)
  commands = parser.add_subparsers(dest='command', metavar='COMMAND', required=True)
  read = commands.add_parser('read', help='cameras of a folder of label maps')
  read.add_argument('labels', metavar='LABELS', help='folder of label maps, square PNGs of one integer a pixel')
  read.add_argument('output', metavar='FILE.json', help='where to write {"name": [azimuth, elevation]}, radians')
  read.add_argument('--label-order', metavar='ORDER', default='celebamask-hq',
                    help=f'what the integers mean: {", ".join(label_orders.KNOWN)}, or a .json table (default: celebamask-hq)')
  read.add_argument('--parameters', metavar='FILE.npz', default=str(parameters_lib.SHIPPED), help='of another network than the shipped one')
  train = commands.add_parser('train', help='train the network on an export of people')
  train.add_argument('export', metavar='PEOPLE', help='folder that `python -m data_pipeline.people export` wrote')
  train.add_argument('output', metavar='FILE.npz', help='where to write the parameters')
  train.add_argument('--steps', type=int, default=2_000, help='of training (default: 2000)')
  train.add_argument('--batch-size', type=int, default=64, help='label maps a step (default: 64)')
  train.add_argument('--seed', type=int, default=0, help='of parameters and draws (default: 0)')
  return parser


def read_folder(labels: str, output: str, label_order: str, parameters: str) -> None:
  """Writes the cameras of a folder's label maps, and says how many can't be read."""
  reader, order, paths = reading.load(parameters), label_orders.label_order(label_order), _label_maps(labels)
  readings = reader.read(_stack(lambda path: _ordered(path, order), paths))
  found, unreadable = {}, []
  for path, viewpoint, confidence in zip(paths, readings.viewpoint, readings.confidence):
    if confidence:
      found[path.stem] = [round(float(angle), 5) for angle in viewpoint]
    else:
      unreadable.append(path.name)
  viewpoints_file.write(output, found)
  print(f'{len(found)} cameras in {output}')
  if unreadable:
    print(f'no camera can be read off {len(unreadable)}: {", ".join(unreadable[:5])}{", ..." if len(unreadable) > 5 else ""}')


def train(export: str, output: str, steps: int, batch_size: int, seed: int) -> None:
  """Trains on an export, and says how accurate the network is on maps that it has not seen."""
  for name, value in (('steps', steps), ('batch-size', batch_size)):
    if value < 1:
      raise ValueError(f'--{name} {value} must be at least 1')
  paths = _label_maps(pathlib.Path(export) / 'labels')
  angles = _truth(export, len(paths))
  labels = _stack(_small, paths)
  held_out = np.arange(len(paths)) >= len(paths) - len(paths) // _HELD_OUT
  classes = reading.to_classes(labels)
  with tqdm.tqdm(total=steps, unit=' steps') as progress:
    def on_step(step, loss):
      progress.update()
      if step % 50 == 0:
        progress.set_postfix(loss=f'{float(loss):.3f}')
    params = training.train(classes[~held_out], angles[~held_out], steps=steps, batch_size=batch_size, seed=seed, on_step=on_step)
  rows = accuracy.compare(reading.Reader(params).read_angles(classes[held_out])[0], angles[held_out], network.ANGLES)
  reading.save(output, params, dict(
      trained_on=f'{int((~held_out).sum())} label maps of synthetic people', steps=steps, batch_size=batch_size, seed=seed, held_out=rows))
  for name, row in rows.items():
    print(f'{name:<10} correlation {row["correlation"]:.3f}, median error {row["median_degrees"]:.2f} degrees')
  print(f'parameters in {output} ({pathlib.Path(output).stat().st_size / 1000:.0f} kB)')


def _label_maps(folder: str | pathlib.Path) -> list[pathlib.Path]:
  paths = sorted(pathlib.Path(folder).expanduser().glob('*.png'))
  if len(paths) < 1:
    raise ValueError(f'no label map *.png in {folder}; give a folder of them')
  return paths


def _truth(export: str, count: int) -> np.ndarray:
  """Azimuth, elevation and roll of an export's pictures [count, 3]; ValueError in one line if they are not there."""
  path = pathlib.Path(export).expanduser() / 'truth.npz'
  try:
    with np.load(path, allow_pickle=False) as file:
      angles = np.stack([file[name] for name in network.ANGLES], axis=-1).astype(np.float32)
  except (OSError, ValueError, KeyError) as error:
    raise ValueError(f'{path} is not the truth of an export ({atomic_files.one_line(error)}); '
                     'give the folder of python -m data_pipeline.people export') from error
  if len(angles) != count or count < 2 * _HELD_OUT:
    raise ValueError(f'{export} has {count} label maps and {len(angles)} rows of truth; give a finished export of at least {2 * _HELD_OUT}')
  return angles


def _stack(read: Callable[[pathlib.Path], np.ndarray], paths: list[pathlib.Path]) -> np.ndarray:
  with tqdm.tqdm(paths, unit=' maps') as progress:  # closed, and its line ended, whatever goes wrong
    return np.stack([read(path) for path in progress])


def _ordered(path: pathlib.Path, order: label_orders.LabelOrder) -> np.ndarray:
  """The 19 labels of a label map, at the network's size."""
  try:
    labels = order.apply(decoding.read_label(str(path), decoding.MAX_PIXELS))
  except faults.Refused as error:
    raise ValueError(f'{path} is no label map ({error})') from error
  return reading.shrink(labels[None])[0]


def _small(path: pathlib.Path) -> np.ndarray:
  try:
    with Image.open(path) as image:
      return np.asarray(image.resize((network.STORED, network.STORED), Image.Resampling.NEAREST), np.uint8)
  except OSError as error:
    raise ValueError(f'{path} is no label map ({error})') from error


def main(arguments: list[str] | None = None) -> int:
  """Runs the command line; returns the exit code."""
  return command_lines.run(make_parser(), {'read': read_folder, 'train': train}, arguments)


if __name__ == '__main__':
  sys.exit(main())
