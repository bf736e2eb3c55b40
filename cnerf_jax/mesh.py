"""Meshes and splats of random people: python -m cnerf_jax.mesh MODEL --out head.glb [--seeds 1-4] [--parts] [--size 128]

MODEL is the folder of a run or a file of parameters. One file for each seed: several need `{seed}` in the name of the file. Nothing that is
there is overwritten unless asked for, and everything is checked before the first is made. See docs/meshes.md.
"""

from __future__ import annotations

import argparse
import pathlib
import sys
import time

LARGEST_COUNT = 1000  # of seeds


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
  """The command line."""
  parser = argparse.ArgumentParser(prog='python -m cnerf_jax.mesh', description=__doc__.split('\n\n')[1])
  parser.add_argument('model', metavar='MODEL', help='folder of a run, or .npz file of parameters')
  parser.add_argument('--out', required=True, metavar='FILE', help='.glb, .ply or .obj; {seed} stands for the seed')
  parser.add_argument('--seeds', default='0', help='of the people: 3, or 1-4, or 1,5,7 (default 0)')
  parser.add_argument('--truncation', type=float, default=1.0, help='1 draws as trained, 0 the mean of all people (default 1)')
  parser.add_argument('--size', type=int, help='points of the grid along a side (default 128)')
  parser.add_argument('--parts', nargs='?', const='all', default='', metavar='CLASSES',
                      help='an object for each semantic class, instead of the whole: of all, or of those named, such as hair,hat')
  parser.add_argument('--background', action='store_true', help='keep what is painted as background')
  parser.add_argument('--level', type=float, help='signed distance of the surface, world units (default 2 density_beta)')
  parser.add_argument('--splats', type=int, metavar='COUNT', help='Gaussian splats, so many, instead of triangles (.ply)')
  parser.add_argument('--overwrite', action='store_true', help='replace files that are there')
  return parser.parse_args(arguments)


def parse_seeds(text: str) -> list[int]:
  """Seeds of a text such as 3, 1-4 or 1,5,7; ValueError if it is none."""
  seeds = []
  for part in text.split(','):
    first, _, last = part.partition('-')
    if not first.isdigit() or not (last or first).isdigit() or int(first) > int(last or first):
      raise ValueError(f'seeds {text!r} must be whole numbers of at least 0: 3, or 1-4, or 1,5,7')
    if int(last or first) - int(first) >= LARGEST_COUNT:
      raise ValueError(f'seeds {text!r} are more than {LARGEST_COUNT}; ask for fewer at once')
    seeds += range(int(first), int(last or first) + 1)
  return list(dict.fromkeys(seeds))


def paths_of(out: str, seeds: list[int]) -> dict[int, pathlib.Path]:
  """The file of each seed; ValueError if several seeds would go into one."""
  if len(seeds) > 1 and '{seed}' not in out:
    raise ValueError(f'{len(seeds)} people do not go into one file {out}; put {{seed}} into its name, such as head_{{seed}}.glb')
  return {seed: pathlib.Path(out.replace('{seed}', str(seed))).expanduser() for seed in seeds}


def run(options: argparse.Namespace) -> list[pathlib.Path]:
  """Makes what the command line asks for, and returns the files; ValueError or OSError in one line if it can't."""
  # here, so that `--help` and a mistake in a name don't wait for jax
  import jax  # pylint: disable=g-import-not-at-top
  from cnerf_jax import pretrained  # pylint: disable=g-import-not-at-top
  from cnerf_jax.meshing import mesh_files  # pylint: disable=g-import-not-at-top
  from cnerf_jax.meshing import portrait_mesh  # pylint: disable=g-import-not-at-top
  from cnerf_jax.meshing import splats as splats_lib  # pylint: disable=g-import-not-at-top

  paths = paths_of(options.out, parse_seeds(options.seeds))
  resolution = portrait_mesh.RESOLUTION if options.size is None else options.size
  portrait_mesh.check_resolution(resolution)
  for path in paths.values():
    if options.splats is None:
      mesh_files.check(path, parts=bool(options.parts), overwrite=options.overwrite)
    else:
      splats_lib.check(path, options.splats, parts=bool(options.parts), overwrite=options.overwrite)
  model = pretrained.load(options.model)
  parts = options.parts == 'all' or [name for name in options.parts.split(',') if name]
  portrait_mesh.part_classes(portrait_mesh.class_names(model), parts, options.background)
  for seed, path in paths.items():
    started = time.perf_counter()
    styles = model.draw_styles(jax.random.key(seed), 1, truncation=options.truncation)[0]
    settings = dict(resolution=resolution, level=options.level, background=options.background)
    if options.splats is None:
      portrait = portrait_mesh.mesh(model, styles, parts=parts, **settings)
      mesh_files.write(path, portrait, parts=bool(options.parts), overwrite=options.overwrite)
      made = f'{len(portrait.whole.triangles.faces)} faces' + (f', parts {", ".join(portrait.parts)}' if portrait.parts else '')
    else:
      splats = splats_lib.splats(model, styles, count=options.splats, seed=seed, **settings)
      splats_lib.write(path, splats, overwrite=options.overwrite)
      made = f'{options.splats} splats'
    print(f'{path}: {made}, {time.perf_counter() - started:.1f} s')
  return list(paths.values())


def main() -> None:
  try:
    run(parse())
  except (ValueError, OSError) as error:
    sys.exit(f'error: {error}')


if __name__ == '__main__':
  main()
