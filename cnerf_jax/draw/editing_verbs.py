"""The command line of edit, directions and invert: their pages and options."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from cnerf_jax.draw import checks
from cnerf_jax.draw import edit_words
from cnerf_jax.draw import editing_checks

_EDIT = """\
People before and after edits: a column for each edit alone, and one for all together; below, the mask, and what changed (darker is more).

  python -m cnerf_jax.draw edit --model people64 --seeds 7 --edits hair=swap:3,nose.shape=move:local1:2,mouth=truncate:0.5

An edit is REGION=ACTION. A region is a class, or several joined by +; .shape or .texture after it edits half of its styles. Actions:

  swap:SEED         as the person of that seed has it
  keep:SEED         likewise, as it would be if that person had this one's skin tone
  move:NAME:STEPS   along a named direction of the class, in standard deviations of people: local1 to local3, film1 to film3,
                    principal1 to principal3, norm1 (the sheets of `directions` show them); needs .shape or .texture
  truncate:PSI      nearer to the mean of all people: 1 as it was, 0 the mean
  resample:SEED     drawn anew, given the rest of the person; for models with regional latents

With --person FILE.npz it is the person of a photograph that `invert` found who is edited, instead of those of seeds.
"""
_DIRECTIONS = """\
The named directions of one class: a row for each, from one end to the other, and what the ends differ by. Beside each name is what one step, a
standard deviation of people, changes: colours inside of the class's mask and outside, and its area. Directions go to a .npz beside the
picture, which `edit --directions` and cnerf_jax.editing.directions.load read.

  python -m cnerf_jax.draw directions --model people64 --region hair --seeds 7

  local      most change inside of the mask for the change outside
  film       what turns the class's sines most
  principal  how people differ most
  norm       along the mean: the baseline
"""
_INVERT = """\
The person in a photograph: photograph | encoder's guess | refined | turned to both sides; below, masks, and differences from the photograph.
Styles and camera go to a .npz beside the picture, for `edit --person` and NumPy (styles, viewpoint, cam_to_world, ...).

  python -m cnerf_jax.draw invert --model runs/mine --photo me.png --labels me_labels.png --label_order celebamask_hq

The photograph is square, framed as those of the model's training (docs/data.md). A label map helps. Where the model is a run with an encoder
(RUN/encoder.npz) and there is a label map, the search begins at what the encoder reads; else at the mean of all people. Without --azimuth and
--elevation the camera is found, too.
"""


def add(verb: Callable[..., argparse.ArgumentParser], *, common: Callable, seeds: Callable, names: Callable) -> None:
  """Adds the verbs.

  Args:
    verb: makes the parser of a verb of a name, a line of help, a page, and parsers of options.
    common: options of every verb that draws, but those named.
    seeds: adds --seeds to a parser.
    names: reads a list of names.
  """
  _add_edit(verb('edit', 'people before and after edits', _EDIT), seeds, names)
  _add_directions(verb('directions', 'the named directions of a class', _DIRECTIONS), seeds, names)
  options = common('truncation', smallest_size=checks.LEAST_DEFAULT_SIZE_OF_INVERSION)
  _add_invert(verb('invert', 'the person in a photograph', _INVERT, parents=[options]))


def complete_edit(settings: dict[str, object]) -> dict[str, object]:
  """Settings of `edit` with the seeds that were left out; ValueError where both a person and seeds say who is edited."""
  if settings['seeds'] and settings['person']:
    raise ValueError(f'--person {settings["person"]} and --seeds both say who is edited; give one of them')
  return settings | {'seeds': settings['seeds'] or [1]}


def _camera(parser: argparse.ArgumentParser, default: float | None, said: str) -> None:
  parser.add_argument('--azimuth', metavar='RADIANS', type=float, default=default, help=f'turn of the camera to the right (default: {said})')
  parser.add_argument('--elevation', metavar='RADIANS', type=float, default=default, help=f'height of the camera (default: {said})')


def _add_edit(parser, seeds, names) -> None:
  seeds(parser, None, 'people', said='1')
  parser.add_argument('--edits', metavar='EDITS', type=names, required=True, help='REGION=ACTION, with commas')
  parser.add_argument('--person', metavar='FILE.npz', help='that invert wrote: edit this person, not those of seeds')
  parser.add_argument('--directions', metavar='FILE.npz', help='that directions wrote (default: they are found anew)')
  _camera(parser, 0.0, '0')


def _add_directions(parser, seeds, names) -> None:
  seeds(parser, '1', 'people')
  parser.add_argument('--region', metavar='CLASS', required=True, help='a class, by name')
  parser.add_argument('--kind', choices=checks.KINDS, default='both', help='directions of its shape or of its texture (default: both)')
  parser.add_argument('--methods', metavar='NAMES', type=names, default=['local', 'principal'],
                      help=f'of {", ".join(edit_words.METHODS)} (default: local,principal)')
  parser.add_argument('--reach', metavar='STEPS', type=float, default=2.0, help='of the ends, standard deviations (default: 2)')
  _camera(parser, 0.0, '0')


def _add_invert(parser) -> None:
  parser.add_argument('--photo', metavar='FILE', required=True, help='a square PNG or JPEG')
  parser.add_argument('--labels', metavar='FILE', help='its label map: a PNG whose pixels are numbers of classes, 255 where unknown')
  parser.add_argument('--label_order', '--label-order', type=lambda name: name.replace('-', '_'),
                      choices=editing_checks.LABEL_ORDERS, default='classes',
                      help="what the numbers are: the model's classes in order, or CelebAMask-HQ's 19 (default: classes)")
  parser.add_argument('--encoder', metavar='RUN', help="the run or file whose encoder begins (default: the model's own, if it has one)")
  parser.add_argument('--turn', metavar='RADIANS', type=float, default=0.4, help='to either side in the last columns (default: 0.4)')
  parser.add_argument('--latent_steps', '--latent-steps', metavar='N', type=int, default=100, help="among the model's people (default: 100)")
  parser.add_argument('--style_steps', '--style-steps', metavar='N', type=int, default=60, help='around them, styles apart (default: 60)')
  _camera(parser, None, 'found')
