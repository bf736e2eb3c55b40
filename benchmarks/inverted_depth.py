"""How true is the depth of people whom no training has seen? python -m benchmarks.inverted_depth --workdir=RUN [--step=0] [--refine=150]

People of the validation split of a drawn data set (`portraits`, `people`) are encoded as the run's encoder sees them, image and label map, and
drawn from their true camera; the depth that is drawn is compared with the true one, over pixels that both label maps call head: the median
over people of each one's median absolute error, relative to the true depth and in head depths (the spread of the true depth of that person,
5th to 95th percentile), and the correlation of depths within a person. With --refine, so many gradient steps on the latents (and a third as
many on the styles) follow the encoder's guess, for the first --refined people (`cnerf_jax.editing.invert`). The floor is the depth of the mean
person, drawn from the same cameras.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
import os
from typing import Any

from absl import app
from absl import flags
import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float
import numpy as np

from benchmarks import machine
from cnerf_jax import camera as camera_lib
from cnerf_jax import pretrained
from cnerf_jax import semantics
from cnerf_jax.editing import invert
from cnerf_jax.evaluation import label_map
from cnerf_jax.persistence import workdir as workdir_lib
from data_pipeline import loader

_AT_ONCE = 16
_LEAST_PIXELS = 16  # of a head that is compared

Drawn = Mapping[str, np.ndarray]


def compare(
    found: Float[np.ndarray, 'people height width'], true: Float[np.ndarray, 'people height width'],
    head: Bool[np.ndarray, 'people height width'],
) -> dict[str, float]:
  """Medians over people of the error of depth, relative and in head depths, and of the correlation; how many people were compared."""
  relative, in_heads, correlation = [], [], []
  for one, other, where in zip(found, true, head):
    if np.count_nonzero(where) >= _LEAST_PIXELS:
      error = np.abs(one[where] - other[where])
      low, high = np.percentile(other[where], [5, 95])
      relative.append(np.median(error / other[where]))
      in_heads.append(np.median(error) / (high - low))
      correlation.append(np.corrcoef(one[where], other[where])[0, 1])
  if not relative:
    return dict(people=0)
  median = lambda values: float(np.median(values))
  return dict(people=len(relative), relative=median(relative), head_depths=median(in_heads), correlation=median(correlation))


def drawer(model: pretrained.Model) -> Callable[[Any, np.ndarray], Drawn]:
  """`draw(styles, viewpoint)`: depth and masks of styles [people, classes, 2, style_dim] from [people, 2], some at a time."""

  @jax.jit
  def draw(styles, viewpoint):
    rendering = model.render(styles, camera_lib.orbit(viewpoint[:, 0], viewpoint[:, 1]))
    return dict(depth=rendering.depth, semantic_mask=rendering.semantic_mask)

  def draw_all(styles, viewpoint):
    parts = []
    for start in range(0, len(styles), _AT_ONCE):
      chunk = [np.asarray(values[start:start + _AT_ONCE]) for values in (styles, viewpoint)]
      count = len(chunk[0])
      padded = [np.resize(values, (_AT_ONCE, *values.shape[1:])) for values in chunk]  # one program for all
      parts.append({name: np.asarray(values)[:count] for name, values in draw(*padded).items()})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

  return draw_all


def heads(drawn: Drawn, examples: Drawn, class_set: semantics.ClassSet) -> Bool[np.ndarray, 'people height width']:
  """Pixels that both label maps call something else than background."""
  background = class_set.index('background')
  found, true = (label_map.label_map(one['semantic_mask'], class_set) != background for one in (drawn, examples))
  return found & true


def refined_styles(model: pretrained.Model, encoder: pretrained.Encoder, examples: Drawn, count: int, steps: int) -> np.ndarray:
  """Styles of the first people after gradient steps from the encoder's guess, at their true cameras."""
  settings = invert.Settings(latent_steps=steps, style_steps=steps // 3)
  return np.stack([
      np.asarray(invert.invert(
          model, examples['image'][k], label_map=examples['semantic_mask'][k], viewpoint=tuple(map(float, examples['viewpoint'][k])),
          encoder=encoder, settings=settings).styles) for k in range(count)])


def measure(
    model: pretrained.Model, encoder: pretrained.Encoder, examples: Drawn, *, num_refined: int = 0, steps: int = 0,
) -> dict[str, dict[str, float]]:
  """Rows of `compare`: the mean person, people as encoded, and refined if steps are given."""
  class_set, draw = semantics.class_set(model.class_set), drawer(model)
  encode = jax.jit(lambda image, masks: model.map_latents(encoder(image, masks)[0].mean))
  encoded = np.concatenate([
      np.asarray(encode(*(jnp.asarray(examples[name][start:start + _AT_ONCE]) for name in ('image', 'semantic_mask'))))
      for start in range(0, len(examples['image']), _AT_ONCE)])
  mean = np.broadcast_to(np.asarray(model.map_latents(jnp.zeros(model.generator.latent_dim))), encoded.shape)
  people = {'mean person': (mean, examples), 'encoded': (encoded, examples)}
  if num_refined:
    some = {name: values[:num_refined] for name, values in examples.items()}
    people['encoded, the same people'] = encoded[:num_refined], some
    people['refined'] = refined_styles(model, encoder, examples, num_refined, steps), some
  rows = {}
  for name, (styles, known) in people.items():
    drawn = draw(styles, known['viewpoint'])
    rows[name] = compare(drawn['depth'], known['depth'], heads(drawn, known, class_set))
  return rows


def main(argv):
  del argv
  config = workdir_lib.load_config(_WORKDIR.value)
  examples = loader.DataSet(config.data).load_split('validation', image_size=config.image_size, max_examples=_PEOPLE.value)
  if 'depth' not in examples:
    raise app.UsageError(f'data set {config.data.name} has no true depth; give a run on portraits or people')
  model = pretrained.load(_WORKDIR.value, step=_STEP.value)
  encoder = pretrained.load_encoder(_WORKDIR.value, step=_STEP.value)
  num_refined = min(_REFINED.value, len(examples['image'])) if _REFINE.value else 0
  rows = measure(model, encoder, examples, num_refined=num_refined, steps=_REFINE.value)
  print(f'{"":26}{"people":>8}{"relative":>10}{"head depths":>13}{"correlation":>13}')
  for name, row in rows.items():
    print(f'{name:26}{row["people"]:>8}{row["relative"]:>10.4f}{row["head_depths"]:>13.3f}{row["correlation"]:>13.3f}')
  machine.append(dict(
      benchmark='inverted_depth', run=os.path.basename(os.path.abspath(_WORKDIR.value)), step=model.provenance['step'], data=config.data.name,
      rows=rows), _OUTPUT.value)


if __name__ == '__main__':
  _WORKDIR = flags.DEFINE_string('workdir', None, 'Folder of a run on drawn people that began with VAE pretraining.', required=True)
  _STEP = flags.DEFINE_integer('step', None, 'A saved step; the newest one by default.')
  _PEOPLE = flags.DEFINE_integer('people', 256, 'Of the validation split.', lower_bound=1)
  _REFINE = flags.DEFINE_integer('refine', 0, 'Gradient steps on the latents.', lower_bound=0)
  _REFINED = flags.DEFINE_integer('refined', 16, 'How many people are refined.', lower_bound=1)
  _OUTPUT = flags.DEFINE_string('output', None, 'A line of JSON is appended here.')
  app.run(main)
