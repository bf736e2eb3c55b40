"""Measures edits: python -m benchmarks.editing [--params=pretrained/portraits32.npz] [--people=4] [--only=tone,paint,invert,directions]

One row of JSON for each: how much of the receiver's colour a swapped nose keeps, how well a rendering matches hair or a nose that was drawn
wider, how well people are recovered from their own renderings, what directions move. Seconds of paint and invert are after compilation.
"""

import json
import os
import time

from absl import app
from absl import flags
import jax
import jax.numpy as jnp
import numpy as np

from cnerf_jax import camera
from cnerf_jax import latents
from cnerf_jax import pretrained
from cnerf_jax.editing import conditional_edits
from cnerf_jax.editing import directions
from cnerf_jax.editing import edits
from cnerf_jax.editing import invert
from cnerf_jax.editing import matching
from cnerf_jax.editing import paint
from cnerf_jax.editing import style_statistics
from cnerf_jax.editing import tone
from cnerf_jax.semantics import SemanticClass

_PARAMS = flags.DEFINE_string('params', 'pretrained/portraits32.npz', 'Parameters of a model of twelve classes, or the folder of a run.')
_PEOPLE = flags.DEFINE_integer('people', 4, 'How many people are painted and inverted.', lower_bound=1)
_ONLY = flags.DEFINE_list('only', ['tone', 'paint', 'invert', 'directions'], 'What to measure.')


def measure_tone(model: pretrained.Model, people: int) -> dict:
  """Root mean squared differences between sixteen receivers and what they look like with another's nose."""
  del people
  statistics, skin = style_statistics.of_model(model, jax.random.key(0)), tone.skin_tone(model)
  everybody = model.draw_styles(jax.random.key(1), 32)
  styles, donor = everybody[:16], everybody[16:]
  draw = jax.jit(lambda styles: model.render(styles, camera.orbit(0.0, 0.0)))
  before, plain = draw(styles), draw(edits.swap(styles, donor, SemanticClass.NOSE))
  kept = draw(conditional_edits.swap_keeping(statistics, styles, donor, SemanticClass.NOSE, features=skin))
  rms = lambda x: float(jnp.sqrt(jnp.mean(x**2)))
  color = lambda x: tone.class_color(x, SemanticClass.NOSE)
  mask = lambda x: x.semantic_mask[..., SemanticClass.NOSE]
  row = style_statistics.rows_as_features(SemanticClass.SKIN, latents.TEXTURE, statistics.mean.shape)
  explained = lambda features: float(conditional_edits.explained_variance(statistics, SemanticClass.NOSE, features=features))
  return dict(
      color_off_plain=rms(color(plain) - color(before)), color_off_keeping=rms(color(kept) - color(before)),
      mask_off_receiver=rms(mask(kept) - mask(before)), mask_off_donor=rms(mask(kept) - mask(plain)),
      nose_explained_by_tone=explained(skin), nose_explained_by_skin_texture=explained(row))


def measure_paint(model: pretrained.Model, people: int) -> dict:
  """Hair grown by two pixels over the background, the nose by one to both sides."""
  rows = []
  for styles in model.draw_styles(jax.random.key(1), people):
    labels = paint.labels(model, styles, camera.orbit(0.0, 0.0))
    for semantic_class, over, pixels, axes in (
        (SemanticClass.HAIR, SemanticClass.BACKGROUND, 2, (0, 1)), (SemanticClass.NOSE, SemanticClass.SKIN, 1, (1,))):
      grown = labels == semantic_class
      for _ in range(pixels):
        grown = np.any([grown] + [np.roll(grown, step, axis) for axis in axes for step in (-1, 1)], axis=0)
      drawn = np.where(grown & (labels == over), semantic_class, labels)
      if (drawn != labels).any():
        found, seconds, cpu_seconds = _timed(lambda styles=styles, drawn=drawn: paint.paint(model, styles, camera.orbit(0.0, 0.0), drawn))
        rows.append(dict(
            pixels=(drawn != labels).sum(), iou_before=found.iou_before, iou_after=found.iou_after, raised=found.iou_after > found.iou_before,
            outside_change=found.outside_change, seconds=seconds, cpu_seconds=cpu_seconds))
  return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]} | {'paintings': len(rows)}


def measure_invert(model: pretrained.Model, people: int) -> dict:
  """People of the model's own from the side, without and with their label maps."""
  rows = []
  everybody = model.draw_styles(jax.random.key(5), people)
  viewpoints = camera.draw_viewpoints(jax.random.key(6), people)
  for styles, viewpoint in zip(everybody, viewpoints):
    seen_by = camera.orbit(*viewpoint)
    image, labels = matching.draw(model, styles, seen_by).rgb, paint.labels(model, styles, seen_by)
    for name, options in (('image', {}), ('image_and_labels', {'label_map': labels})):
      found, seconds, cpu_seconds = _timed(lambda image=image, options=options: invert.invert(model, image, **options))
      row = dict(psnr=found.psnr, azimuth_error=abs(float(found.viewpoint[0] - viewpoint[0])), seconds=seconds, cpu_seconds=cpu_seconds)
      rows.append({f'{name}_{key}': value for key, value in row.items()} | ({'mean_iou': found.mean_iou} if options else {}))
  names = {name for row in rows for name in row}
  return {name: float(np.mean([row[name] for row in rows if name in row])) for name in sorted(names)}


def measure_directions(model: pretrained.Model, people: int) -> dict:
  """Change inside over change outside of a class's mask, of every method's best direction; mean over classes and kinds."""
  del people
  begin, cpu_begin = time.perf_counter(), time.process_time()
  found = directions.find(model, jax.random.key(3))
  row = dict(seconds_with_compilation=time.perf_counter() - begin, cpu_seconds=time.process_time() - cpu_begin, directions=len(found))
  for method in directions.METHODS:
    best = [found.of(k, kind, method) for k in SemanticClass for kind in (latents.SHAPE, latents.TEXTURE)]
    row[f'{method}_inside'] = float(np.mean([one.inside[0] for one in best]))
    row[f'{method}_inside_over_outside'] = float(np.median([one.inside[0] / one.outside[0] for one in best]))
  return row


def _timed(function):
  """(what it gives, seconds, CPU seconds) the second time."""
  function()
  begin, cpu_begin = time.perf_counter(), time.process_time()
  return function(), time.perf_counter() - begin, time.process_time() - cpu_begin


def main(argv):
  del argv
  model = pretrained.load(_PARAMS.value)
  for name in _ONLY.value:
    measure = {'tone': measure_tone, 'paint': measure_paint, 'invert': measure_invert, 'directions': measure_directions}[name]
    print(json.dumps({'measured': name, 'load': os.getloadavg()[0]} | measure(model, _PEOPLE.value)), flush=True)


if __name__ == '__main__':
  app.run(main)
