"""Measures edits: python -m benchmarks.editing [--params=pretrained/people64.npz] [--people=6] [--only=tone,paint,presence,invert,directions]

Rows of JSON: how much of the receiver's colour a swapped nose keeps; how well a rendering matches a nose, mouth, eyes or hair that were drawn
wider; what is left of glasses taken off, and how large those put on are; how well people are recovered from their own renderings; what
directions move. With --params=RUN, the folder of a run with an encoder, --only=portraits inverts portraits that it was not trained on.
"""

import functools
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
from cnerf_jax.editing import pivotal_tuning
from cnerf_jax.editing import presence
from cnerf_jax.editing import style_statistics
from cnerf_jax.editing import tone
from cnerf_jax.evaluation import locality
from cnerf_jax.losses import reconstruction
from cnerf_jax.persistence import workdir as workdir_lib
from cnerf_jax.semantics import SemanticClass
from data_pipeline import loader

FRONT = camera.orbit(0.0, 0.0)
# what is drawn wider: the class, those it may grow over, by how many pixels, along which axes
PAINTINGS = {
    'nose': (SemanticClass.NOSE, (SemanticClass.SKIN,), 1, (1,)),
    'mouth': (SemanticClass.MOUTH, (SemanticClass.SKIN,), 1, (0, 1)),
    'eyes': (SemanticClass.EYES, (SemanticClass.SKIN, SemanticClass.BROWS), 1, (0, 1)),
    'hair': (SemanticClass.HAIR, (SemanticClass.BACKGROUND,), 2, (0, 1)),
}


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


def grow(labels: np.ndarray, semantic_class: int, over: tuple[int, ...], pixels: int, axes: tuple[int, ...]) -> np.ndarray:
  """The label map with a class so many pixels wider along the axes, where there was one of `over`."""
  grown = labels == semantic_class
  for _ in range(pixels):
    grown = np.any([grown] + [np.roll(grown, step, axis) for axis in axes for step in (-1, 1)], axis=0)
  return np.where(grown & np.isin(labels, over), semantic_class, labels)


def measure_paint(model: pretrained.Model, people: int, size: int):
  """Classes grown by a pixel or two in label maps of this size; `locality` is squared change near the class or the painted pixels over all."""
  for name, painting in PAINTINGS.items():
    rows = []
    for styles in model.draw_styles(jax.random.key(1), people):
      labels = paint.labels(model, styles, FRONT, image_size=size)
      drawn = grow(labels, *painting)
      if (drawn == labels).all():
        continue
      found, seconds, cpu_seconds = _timed(lambda styles=styles, drawn=drawn: paint.paint(model, styles, FRONT, drawn))
      before, after = (matching.draw(model, one, FRONT, size) for one in (styles, found.styles))
      inside = locality.edit_region(*(one.semantic_mask[..., painting[0]] for one in (before, after)))
      inside |= locality.dilate(drawn != labels, locality.dilation_radius(size))
      change = np.square(locality.change(before.rgb, after.rgb), dtype=np.float64)
      rows.append(dict(
          pixels=(drawn != labels).sum(), iou_before=found.iou_before, iou_after=found.iou_after, raised=found.iou_after > found.iou_before,
          locality=change[inside].sum() / max(change.sum(), 1e-9), seconds=seconds, cpu_seconds=cpu_seconds))
    if rows:
      mean = {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
      yield {'painted': name} | mean | dict(people=len(rows), least_locality=float(min(row['locality'] for row in rows)))


def measure_presence(model: pretrained.Model, people: int):
  """Accessories of 128 people: their area in pixels at 32x32 as drawn, after removal, and of those put on people without."""
  del people
  everybody = model.draw_styles(jax.random.key(3), 128)
  area = jax.jit(lambda styles: jax.lax.map(
      lambda one: jnp.sum(model.render(one, FRONT, image_size=32).semantic_mask, axis=(0, 1)), styles))
  worn, before = np.asarray(presence.is_present(model, everybody)), np.asarray(area(everybody))
  for semantic_class in (SemanticClass.GLASSES, SemanticClass.HAT, SemanticClass.EARRINGS, SemanticClass.EARS):
    with_it = worn[:, semantic_class]
    if not with_it.any() or with_it.all():
      continue
    after = np.asarray(area(presence.remove(model, everybody, semantic_class)))[with_it, semantic_class]
    put_on = np.asarray(area(presence.put_on(jax.random.key(5), model, everybody, semantic_class)))[~with_it, semantic_class]
    drawn = before[with_it, semantic_class]
    yield dict(
        removed=semantic_class.name.lower(), people=int(with_it.sum()), area=float(drawn.mean()), left=float(after.sum() / drawn.sum()),
        most_left=float((after / drawn).max()), area_put_on=float(put_on.mean()), least_area_put_on=float(put_on.min()))


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


def measure_portraits(model: pretrained.Model, people: int, run: str) -> dict:
  """Portraits of the run's test split (validation, where there is none) with their label maps, inverted from the run's encoder; errors are
  mean squares of colours, beside those of what the encoder makes of as many portraits of its training. Tuned: after pivotal tuning."""
  config, encoder = workdir_lib.load_config(run), pretrained.load_encoder(run)
  data = loader.open(config.data)
  split = 'test' if 'test' in data.splits else 'validation'
  unseen = data.load_split(split, image_size=config.image_size)
  chosen = np.linspace(0, len(unseen['image']) - 1, people).round().astype(int)
  seen = data.load_split('train', image_size=config.image_size, max_examples=64)
  draw = jax.jit(lambda z, viewpoint: model.render(model.map_latents(z), camera.orbit(viewpoint[:, 0], viewpoint[:, 1])).rgb)
  encode = jax.jit(lambda image, mask: encoder(image, mask)[0].mean)
  encoded = lambda of: draw(encode(of['image'], of['semantic_mask']), of['viewpoint'])
  encoder_error = float(reconstruction.image_error(encoded(seen), seen['image']))
  of_unseen = {name: values[chosen] for name, values in unseen.items()}
  unseen_error = float(reconstruction.image_error(encoded(of_unseen), of_unseen['image']))
  rows = []
  for image, mask, viewpoint in zip(*(of_unseen[name] for name in ('image', 'semantic_mask', 'viewpoint'))):
    begin = time.perf_counter()
    found = invert.invert(model, image, label_map=mask, encoder=encoder)
    inverted = time.perf_counter()
    _, tuned = pivotal_tuning.tune(model, found, image, label_map=mask)
    off = np.rad2deg(np.abs(np.asarray(found.viewpoint) - viewpoint))
    rows.append(dict(
        psnr=found.psnr, error=12 * 10**(-found.psnr / 10), mean_iou=found.mean_iou, azimuth_degrees=off[0], elevation_degrees=off[1],
        tuned_psnr=tuned.psnr, tuned_iou=tuned.mean_iou, seconds=inverted - begin, tuned_seconds=time.perf_counter() - inverted))
    print(json.dumps({'portrait': len(rows)} | {key: float(value) for key, value in rows[-1].items()}), flush=True)
  mean = {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
  medians = {f'median_{key}': float(np.median([row[key] for row in rows])) for key in ('azimuth_degrees', 'elevation_degrees')}
  return dict(split=split, people=people, encoder_error_trained=encoder_error, encoder_error_unseen=unseen_error,
              over_trained=mean['error'] / encoder_error) | mean | medians


def measure_directions(model: pretrained.Model, people: int):
  """Change inside over change outside of a class's mask, of every method's best direction, and how far optimised ones ('local') are ahead of
  the baseline, w / |w|: a row for each class, mean over its kinds, then the median over all."""
  del people
  begin, cpu_begin = time.perf_counter(), time.process_time()
  found = directions.find(model, jax.random.key(3))
  seconds = dict(seconds_with_compilation=time.perf_counter() - begin, cpu_seconds=time.process_time() - cpu_begin, directions=len(found))
  rows = []
  for k in SemanticClass:
    best = lambda method, kind: found.of(k, kind, method)
    ratio = lambda one: float(one.inside[0] / one.outside[0])
    row = {method: float(np.mean([ratio(best(method, kind)) for kind in (latents.SHAPE, latents.TEXTURE)])) for method in directions.METHODS}
    rows.append(row)
    yield {'direction_of': k.name.lower()} | row | {'local_over_norm': row['local'] / row['norm']}
  yield {name: float(np.median([row[name] for row in rows])) for name in directions.METHODS} | seconds


def _timed(function):
  """(what it gives, seconds, CPU seconds) the second time."""
  function()
  begin, cpu_begin = time.perf_counter(), time.process_time()
  return function(), time.perf_counter() - begin, time.process_time() - cpu_begin


def main(argv):
  del argv
  model = pretrained.load(_PARAMS.value)
  known = dict(
      tone=measure_tone, paint=functools.partial(measure_paint, size=_SIZE.value), presence=measure_presence, invert=measure_invert,
      portraits=functools.partial(measure_portraits, run=_PARAMS.value), directions=measure_directions)
  for name in _ONLY.value:
    found = known[name](model, _PEOPLE.value)
    for row in [found] if isinstance(found, dict) else found:
      print(json.dumps({'measured': name, 'load': round(os.getloadavg()[0], 1)} | row), flush=True)


if __name__ == '__main__':
  _PARAMS = flags.DEFINE_string('params', 'pretrained/people64.npz', 'Parameters of a model of twelve classes, or the folder of a run.')
  _PEOPLE = flags.DEFINE_integer('people', 6, 'How many people are painted and inverted.', lower_bound=1)
  _ONLY = flags.DEFINE_list('only', ['tone', 'paint', 'presence', 'invert', 'directions'], 'What to measure.')
  _SIZE = flags.DEFINE_integer('size', 32, 'Side of the paintings, pixels.', lower_bound=8)
  app.run(main)
