"""Does a swap of styles give what it should? python -m benchmarks.swap_truth --workdir=RUN [--step=0], or --params=FILE --encoder=FILE

Only procedural portraits know the answer: person A with B's nose can be drawn exactly (`data_pipeline/portraits/edits.py`). A and B, whom no
training has seen, are encoded as the run's encoder sees them, A gets B's styles of a class, and what the generator draws is compared with the
true picture: the error inside the region and outside, root mean square over its pixels, in 8-bit steps. Beside it, in the same pixels, the
floor, of A reconstructed without an edit, and the ceiling, of that reconstruction against the edited truth: as if nothing had been edited.
A reconstruction errs by more than a nose is worth, so the changes themselves are compared too, of the drawing and of the truth, in which the
reconstruction's own error cancels: inside, their difference over the true change (0: the true edit, 1: none); outside, the difference alone.

In the true picture A's nose keeps A's light and skin. With --keep_tone so does the swap: what B's skin says of B's nose is exchanged for what
A's skin says of it (`cnerf_jax.editing.conditional_edits.swap_keeping`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
import dataclasses
import math
from typing import Any

from absl import app
from absl import flags
import jax
import numpy as np
from jaxtyping import Bool, Float

from benchmarks import machine
from cnerf_jax import camera as camera_lib
from cnerf_jax import latents
from cnerf_jax import pretrained
from cnerf_jax import semantics
from cnerf_jax.editing import conditional_edits
from cnerf_jax.editing import style_statistics
from cnerf_jax.evaluation import locality
from cnerf_jax.persistence import workdir as workdir_lib
from data_pipeline import transforms
from data_pipeline.portraits import edits
from data_pipeline.portraits import identity as identity_lib
from data_pipeline.portraits import rendering

_FIRST_IDENTITY = 3_000_000_000  # beyond those of every split
_RECORD_SIZE = 64
_AT_ONCE = 16
_CLASS_SET = semantics.FFHQ12
_KINDS = {'shape': latents.SHAPE, 'texture': latents.TEXTURE, 'both': None}

Encode = Callable[[np.ndarray, np.ndarray], Any]
Render = Callable[[Any, np.ndarray], np.ndarray]
Swap = Callable[[Any, Any, str, str], Any]
ToExample = Callable[[rendering.Picture], tuple[np.ndarray, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class Pairs:
  """Who is edited and who gives.

  Attributes:
    receivers: persons A.
    donors: as many persons B.
    receiver_views: [pairs, 2] azimuth and elevation that A is seen, edited and compared from, radians.
    donor_views: [pairs, 2] that B is seen from.
  """

  receivers: Sequence[identity_lib.Identity]
  donors: Sequence[identity_lib.Identity]
  receiver_views: Float[np.ndarray, 'pairs 2']
  donor_views: Float[np.ndarray, 'pairs 2']


def draw_pairs(seed: int, count: int) -> Pairs:
  """Random pairs of people that are in no split of the data set, from random cameras."""
  indices = range(_FIRST_IDENTITY, _FIRST_IDENTITY + 2 * count)
  people = [identity_lib.draw(seed, index) for index in indices]
  spread = camera_lib.AZIMUTH_STD_RADIANS, camera_lib.ELEVATION_STD_RADIANS
  views = np.stack([identity_lib.draw_viewpoint(seed, index, *spread) for index in indices])
  return Pairs(people[:count], people[count:], views[:count], views[count:])


def example_maker(image_size: int, dilation: str = 'exclusive') -> ToExample:
  """From pictures to images in [-1, 1] and masks as training sees them."""
  def to_example(picture):
    image = transforms.area_downsample(transforms.normalise_image(picture.image), image_size)
    return image, transforms.training_mask(picture.label, _CLASS_SET, image_size, dilation)
  return to_example


def measure(encode: Encode, render: Render, swap: Swap, pairs: Pairs, *, to_example: ToExample, record_size: int = _RECORD_SIZE) -> dict:
  """Errors of swaps by region and kind (`edits.kinds`).

  Args:
    encode: `encode(image, semantic_mask)`, styles of portraits; whatever they are, they can be indexed by a Boolean array.
    render: `render(styles, viewpoint)`, their images in [-1, 1].
    swap: `swap(styles, donors, region, kind)`, styles with the donors' region; the kind is shape, texture or both.
    pairs: of people.
    to_example: from pictures to what `encode` takes.
    record_size: side of the pictures, pixels, a multiple of that of the images.

  Returns:
    {region: {kind: row}}; a row has the number of `pairs` whose picture shows the region before or after the true edit, and for `inside` and
    `outside` of it `error`, `floor`, `ceiling` and `wrong_change`, 8-bit steps; inside also `relative_change`, the last over the true change.
    NaN for what can't be said.
  """
  picture = lambda people, views: rendering.render_people(people, views, image_size=record_size)
  before = picture(pairs.receivers, pairs.receiver_views)
  (image, mask), of_donors = to_example(before), to_example(picture(pairs.donors, pairs.donor_views))
  styles, donors = encode(image, mask), encode(*of_donors)
  reconstruction = render(styles, pairs.receiver_views)
  rows = {}
  for region in edits.REGIONS:
    rows[region] = {}
    for kind in edits.kinds(region):
      true_people = [edits.exchange(a, b, region, kind) for a, b in zip(pairs.receivers, pairs.donors)]
      after = picture(true_people, pairs.receiver_views)
      own = edits.classes(region)[0]
      chosen = ((before.label == own) | (after.label == own)).any(axis=(1, 2))
      if not chosen.any():
        rows[region][kind] = {'pairs': 0} | _parts(5 * [np.full((1, 1, 1), np.nan)], np.ones((1, 1, 1), bool))
        continue
      truth, _ = to_example(after)
      drawn = render(swap(styles[chosen], donors[chosen], region, kind), pairs.receiver_views[chosen])
      inside = _region(before.label[chosen], after.label[chosen], region, truth.shape[-2])
      unedited, true, picture_of_a = reconstruction[chosen], truth[chosen], image[chosen]
      differences = [locality.change(*both) for both in (
          (drawn, true), (unedited, picture_of_a), (unedited, true), (drawn - unedited, true - picture_of_a), (true, picture_of_a))]
      rows[region][kind] = {'pairs': int(chosen.sum())} | _parts(differences, inside)
  return rows


def _region(before: np.ndarray, after: np.ndarray, region: str, image_size: int) -> Bool[np.ndarray, 'pairs size size']:
  """Where the region is in either picture, at the size of the images, widened as the regions of `locality`."""
  shown = np.isin(before, edits.classes(region)) | np.isin(after, edits.classes(region))
  block = shown.shape[-1] // image_size
  shown = shown.reshape(len(shown), image_size, block, image_size, block).any(axis=(2, 4))
  return locality.dilate(shown, locality.dilation_radius(image_size))


def _parts(differences: Sequence[np.ndarray], inside: np.ndarray) -> dict[str, dict[str, float]]:
  """Root mean squares, inside and outside, of the differences of each pixel: those of a row, then the true change."""
  found = {}
  for part, where in (('inside', inside), ('outside', ~inside)):
    *errors, true_change = (math.sqrt(np.mean(np.square(values[where]))) if where.any() else math.nan for values in differences)
    found[part] = dict(zip(('error', 'floor', 'ceiling', 'wrong_change'), errors))
    if part == 'inside':
      found[part]['relative_change'] = errors[-1] / true_change if true_change else math.nan
  return found


def swap_styles(styles: np.ndarray, donors: np.ndarray, region: str, kind: str) -> np.ndarray:
  """Styles of a model with the donors' class of that name."""
  return locality.swap_styles(styles, donors, _CLASS_SET.index(region), kind)


def swap_that_keeps_tone(model: pretrained.Model) -> Swap:
  """`swap_styles`, but a region is what it would be if the donor had the receiver's skin."""
  statistics = style_statistics.of_model(model, jax.random.key(0))
  skin = style_statistics.rows_as_features(_CLASS_SET.index('skin'), latents.TEXTURE, statistics.mean.shape)

  def swap(styles, donors, region, kind):
    return np.asarray(conditional_edits.swap_keeping(
        statistics, styles, donors, _CLASS_SET.index(region), features=skin, kind=_KINDS[kind]))

  return swap


def functions(model: pretrained.Model, encoder: pretrained.Encoder) -> tuple[Encode, Render]:
  """(encode, render) of a model; styles are those of the encoder's mean latents.

  Raises:
    app.UsageError: if the two don't belong together, or are of other classes than portraits are labelled with.
  """
  for name, one in (('model', model), ('encoder', encoder)):
    if one.class_set != _CLASS_SET.name:
      raise app.UsageError(f'the {name} is of {one.class_set}, portraits are labelled with {_CLASS_SET.name}; give a run of these classes')
  if model.image_size != encoder.image_size:
    raise app.UsageError(f'the model draws {model.image_size} pixels, the encoder reads {encoder.image_size}; give both of one run')

  @jax.jit
  def encode(image, mask):
    return model.map_latents(encoder(image, mask)[0].mean)

  @jax.jit
  def render(styles, viewpoint):
    return model.render(styles, camera_lib.orbit(viewpoint[:, 0], viewpoint[:, 1])).rgb

  return _in_batches(encode), _in_batches(render)


def _in_batches(function):
  """The function on any number of examples, in calls of one size."""
  def call(*arrays):
    count = len(arrays[0])
    parts = []
    for start in range(0, count, _AT_ONCE):
      rows = np.minimum(np.arange(start, start + _AT_ONCE), count - 1)
      parts.append(np.asarray(function(*(np.asarray(array)[rows] for array in arrays))))
    return np.concatenate(parts)[:count]
  return call


def format_table(rows: dict[str, dict[str, dict[str, Any]]]) -> str:
  """The rows as a text table, for printing."""
  columns = {'inside': {'error': '.1f', 'floor': '.1f', 'ceiling': '.1f', 'relative_change': '.2f'},
             'outside': {'error': '.1f', 'floor': '.1f', 'ceiling': '.1f', 'wrong_change': '.1f'}}
  headings = ''.join(f'{name.removesuffix("_change"):>9}' for part in columns.values() for name in part)
  lines = [f'{"":<25}{"inside":>36}{"outside":>36}', f'{"region":<10}{"swapped":<9}{"pairs":>6}{headings}']
  for region, by_kind in rows.items():
    for kind, row in by_kind.items():
      values = ''.join(f'{"-" if math.isnan(row[part][name]) else format(row[part][name], form):>9}'
                       for part, names in columns.items() for name, form in names.items())
      lines.append(f'{region:<10}{kind:<9}{row["pairs"]:>6}{values}')
  return '\n'.join(lines)


def main(argv):
  if len(argv) > 1:
    raise app.UsageError(f'unexpected arguments {argv[1:]}; every option starts with --')
  if (_WORKDIR.value is None) == (_PARAMS.value is None) or (_PARAMS.value is None) != (_ENCODER.value is None):
    raise app.UsageError('give --workdir, the folder of a run with an encoder, or both --params and --encoder, files of one run')
  dilation, record_size = 'exclusive', None
  try:
    if _WORKDIR.value is not None:
      data = workdir_lib.load_config(_WORKDIR.value).data
      if data.name != 'portraits':
        raise app.UsageError(f'{_WORKDIR.value} was trained on {data.name}; only portraits can be edited exactly, give a run of those')
      dilation, record_size = data.dilation, data.record_size
    encoder = pretrained.load_encoder(_ENCODER.value or _WORKDIR.value, step=_STEP.value)
    model = pretrained.load(_PARAMS.value or _WORKDIR.value, step=_STEP.value)
  except (ValueError, OSError) as error:
    raise app.UsageError(str(error)) from error
  encode, render = functions(model, encoder)
  rows = measure(
      encode, render, swap_that_keeps_tone(model) if _KEEP_TONE.value else swap_styles, draw_pairs(_SEED.value, _PAIRS.value),
      to_example=example_maker(model.image_size, dilation),
      record_size=record_size or max(_RECORD_SIZE, model.image_size))
  print(format_table(rows))
  machine.append(dict(benchmark='swap_truth', keep_tone=_KEEP_TONE.value, pairs=_PAIRS.value, seed=_SEED.value, rows=rows), _OUTPUT.value)


if __name__ == '__main__':
  _WORKDIR = flags.DEFINE_string('workdir', None, 'Folder of a run on portraits that began with VAE pretraining, which has its encoder.')
  _STEP = flags.DEFINE_integer('step', None, 'Saved step of the run, 0 after pretraining; the newest sound one by default.', lower_bound=0)
  _PARAMS = flags.DEFINE_string('params', None, 'File of parameters, instead of a run; with --encoder.')
  _ENCODER = flags.DEFINE_string('encoder', None, 'File of the encoder of the same run.')
  _PAIRS = flags.DEFINE_integer('pairs', 64, 'Pairs of people.', lower_bound=1)
  _SEED = flags.DEFINE_integer('seed', 0, 'Seed of the people.', lower_bound=0)
  _KEEP_TONE = flags.DEFINE_boolean('keep_tone', False, "Whether a region takes the receiver's skin tone.")
  _OUTPUT = flags.DEFINE_string('output', None, 'A line of JSON is appended here.')
  app.run(main)
