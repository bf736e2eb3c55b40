"""Glasses, hats, earrings taken off and put on, in models with regional latents (`models.regional_mapping`).

  without = presence.remove(model, styles, SemanticClass.GLASSES)
  with_hat = presence.put_on(jax.random.key(0), model, styles, SemanticClass.HAT)

Whether a class is there is a property of a person: a class that isn't has the style of absence, learnt in training. Removing a class writes it;
putting one on draws the class's latents e, given the rest of the person, and maps them to styles,

  e = E[e] + G (x - E[x]) + noise,  x all other styles of the person,

with G and the noise's covariance those of people whom the model draws. All other rows stay as they were, bitwise. To wear what somebody else
wears is `edits.swap`.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float
import numpy as np

from cnerf_jax import pretrained
from cnerf_jax.editing import regions

Styles = Float[Array, '*batch classes 2 style_dim']
Latents = Float[Array, '*batch latents']
_CLEARLY = 0.5  # how far from its threshold the presence of a class is put
_RIDGE = 1e-2  # of the mean variance of styles, added to each


def is_present(model: pretrained.Model, styles: Styles) -> Bool[Array, '*batch classes']:
  """Which classes a person has: those whose styles are not of absence.

  Raises:
    ValueError: if the model has no regional latents, or these are no styles of it.
  """
  return jnp.any(jnp.asarray(styles) != _absent(model, styles), axis=(-2, -1))


def remove(model: pretrained.Model, styles: Styles, classes: regions.Classes) -> Styles:
  """The person without these classes.

  Absence was learnt where people lack a class: accessories, ears under hair. Of a class that everybody has, as the nose, nothing sensible
  may have been learnt.

  Args:
    model: that draws.
    styles: of the person.
    classes: one or more semantic classes.

  Raises:
    ValueError: if the model has no regional latents, or a class or a shape is wrong.
  """
  return regions.replace(styles, _absent(model, styles), classes, None)


def put_on(key: Array, model: pretrained.Model, styles: Styles, classes: regions.Classes, *, num_people: int = 2048) -> Styles:
  """The person with these classes, drawn anew, as they go with the rest of the person.

  Args:
    key: random key; another one draws others.
    model: that draws.
    styles: of the person, who may have the classes or not.
    classes: one or more semantic classes.
    num_people: drawn to learn what goes with what.

  Raises:
    ValueError: if the model has no regional latents, or a class or a shape is wrong.
  """
  return _with_latents(model, styles, classes, num_people, lambda shape: jax.random.normal(key, shape))


def most_likely(model: pretrained.Model, styles: Styles, classes: regions.Classes, *, num_people: int = 2048) -> Styles:
  """`put_on` without chance: the classes' mean latents, given the rest of the person."""
  return _with_latents(model, styles, classes, num_people, jnp.zeros)


def remove_latents(model: pretrained.Model, z: Latents, classes: regions.Classes) -> Latents:
  """z of the same person without these classes; the latents of all others stay, up to rounding. Errors as `remove`."""
  return _with_presence(model, z, classes, -_CLEARLY)


def put_on_latents(model: pretrained.Model, z: Latents, classes: regions.Classes) -> Latents:
  """z of the same person with these classes: every z holds what the person would wear. Else as `remove_latents`."""
  return _with_presence(model, z, classes, _CLEARLY)


def _with_presence(model, z, classes, distance):
  mapping = _mapping(model)
  chosen = jnp.array(regions.class_indices(classes, model.generator.num_classes))
  if np.shape(z)[-1:] != (model.generator.latent_dim,):
    raise ValueError(f'z has shape {np.shape(z)}, this model needs [..., {model.generator.latent_dim}]')
  drawn = mapping['mean'] + z @ mapping['factor'].T
  moved = drawn.at[..., chosen].set(mapping['threshold'][chosen] + distance)
  flat = jax.scipy.linalg.solve_triangular(mapping['factor'], (moved - mapping['mean']).reshape(-1, z.shape[-1]).T, lower=True)
  return flat.T.reshape(z.shape)


def _with_latents(model, styles, classes, num_people, draw_noise):
  """Styles whose classes have their mean latents given the others, and so much noise of the right covariance."""
  _absent(model, styles)
  generator = model.generator
  chosen = regions.class_indices(classes, generator.num_classes)
  others = [k for k in range(generator.num_classes) if k not in chosen]
  if not others:
    raise ValueError('these are all classes of a person; leave at least one to go by')
  mean_of_others, mean, gain, factor = _regression(model, chosen, others, num_people)
  batch_shape = np.shape(styles)[:-3]
  known = jnp.asarray(styles)[..., np.array(others), :, :].reshape(*batch_shape, -1)
  latents = mean + (known - mean_of_others) @ gain + draw_noise((*batch_shape, len(mean))) @ factor.T
  rows = jnp.zeros((*batch_shape, generator.num_classes, latents.shape[-1] // len(chosen)))
  rows = rows.at[..., np.array(chosen), :].set(latents.reshape(*batch_shape, len(chosen), -1))
  present = jnp.ones((*batch_shape, generator.num_classes), bool)
  drawn = generator.apply(model.params, rows.reshape(*batch_shape, -1), present, method='map_regions')
  return regions.replace(styles, drawn, chosen, None)


def _regression(model, chosen, others, num_people):
  """(mean of other styles, mean of the latents, gain, Cholesky factor of the noise's covariance).

  Of all people whom the model draws: whoever lacks a class has latents of it all the same, and as the prior is fitted
  (`training.regional_prior`) they don't depend on its presence.
  """
  mapping, generator = _mapping(model), model.generator
  z = jax.random.normal(jax.random.key(0), (num_people, generator.latent_dim))
  drawn = np.asarray(mapping['mean'] + z @ mapping['factor'].T, np.float64)
  latents = drawn[:, generator.num_classes:].reshape(num_people, generator.num_classes, -1)[:, chosen].reshape(num_people, -1)
  known = np.asarray(model.map_latents(z), np.float64)[:, others].reshape(num_people, -1)
  means = known.mean(axis=0), latents.mean(axis=0)
  x, y = known - means[0], latents - means[1]
  covariance = x.T @ x / num_people
  covariance[np.diag_indices_from(covariance)] += _RIDGE * np.trace(covariance) / len(covariance)
  gain = np.linalg.solve(covariance, x.T @ y / num_people)
  fitted = np.trace(np.linalg.solve(covariance, x.T @ x / num_people))  # degrees of freedom, which make what is left look small
  left = y - x @ gain
  noise = left.T @ left / max(num_people - fitted, 1) + 1e-6 * np.eye(y.shape[1])
  return tuple(jnp.asarray(a, jnp.float32) for a in (*means, gain, np.linalg.cholesky(noise)))


def _mapping(model):
  if not model.generator.region_dim:
    raise ValueError('this model has one latent for all classes (generator.region_dim 0), which knows no style of absence; '
                     'use one with regional latents, such as pretrained/people64.npz')
  return model.params['params']['mapping']


def _absent(model, styles) -> Float[Array, 'classes 2 style_dim']:
  absent = _mapping(model)['absent']
  regions.check_styles(styles)
  if np.shape(styles)[-3:] != absent.shape:
    raise ValueError(f'styles has shape {np.shape(styles)}, this model needs [..., {", ".join(map(str, absent.shape))}]')
  return absent
