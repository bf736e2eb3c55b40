"""Times whole training steps: python -m benchmarks.step --config=configs/portraits32.py --repeats=5 [--config.key=value ...]

Prints a row (median, minimum, maximum seconds; images/s; the model's FLOP/s as a fraction of what matrix products reach on this
machine; memory; load; seconds until the first step was done) and appends it to --output as JSON. What a restart saves shows in
`first_seconds` of a second call with JAX_COMPILATION_CACHE_DIR=FOLDER set for both. What an entry of the config gives shows in a row
for each --variant="key=value key=value", timed in turn with the config as it is; memory of the process is then that of all together.
"""

import ast
import functools
import os
import time

from absl import app
from absl import flags
import jax
import jax.numpy as jnp
from ml_collections import config_flags
import numpy as np

from benchmarks import machine
from cnerf_jax.models import players as players_lib
from cnerf_jax.run import flops
from cnerf_jax.run import plan
from cnerf_jax.training import draws
from cnerf_jax.training import generator_step
from cnerf_jax.training import optimizers as optimizers_lib
from cnerf_jax.training import sharding
from cnerf_jax.training import train_state
from cnerf_jax.training import train_step
from configs import checks


def random_batch(config, num_classes: int) -> dict[str, np.ndarray]:
  """Reals of the right shapes; their content does not matter to the clock."""
  rng = np.random.default_rng(0)
  shape = (config.batch_size, config.image_size, config.image_size)
  masks = rng.random(shape + (num_classes,), np.float32)
  return dict(
      image=rng.uniform(-1, 1, shape + (3,)).astype(np.float32),
      semantic_mask=masks / masks.sum(-1, keepdims=True),
      viewpoint=rng.normal(0, 0.2, (config.batch_size, 2)).astype(np.float32))


def compile_step(config, mesh):
  """The whole step as a call without arguments that keeps its own state, the compiled program, its FLOPs."""
  players, optimizers = players_lib.make_players(config), optimizers_lib.make_optimizers(config)
  state = jax.device_put(
      train_state.create(jax.random.key(0), players, optimizers, image_size=config.image_size), sharding.replicated(mesh))
  batch = sharding.put_batch(random_batch(config, players.generator.num_classes), mesh)
  step = sharding.jit_step(train_step.make_train_step(config, players, optimizers), mesh).lower(state, batch).compile()

  def call():
    nonlocal state
    state, metrics = step(state, batch)
    return state, metrics

  return call, step, plan.count_flops_per_image(config) * config.batch_size


def compile_generator_part(config, mesh):
  """Likewise, rendering, its own losses and the gradient of both alone: what is left of a step without discriminators."""
  players = players_lib.make_players(config)
  generator = players.generator
  weights = config.loss_weights.generator
  draw = draws.draw_fakes(
      jax.random.key(0), config.batch_size, config, num_classes=generator.num_classes, render_size=config.image_size)

  def gradient(params, draw, num_chunks=None):
    settings = config.copy_and_resolve_references().unlock()
    settings.num_chunks = config.num_chunks if num_chunks is None else num_chunks

    def loss(params):
      fakes = generator_step.render_fakes(players, params, draw, settings, render_size=config.image_size)
      return (jnp.mean(fakes.image**2) + jnp.mean(fakes.semantic_mask**2) + weights.eikonal * fakes.eikonal_loss
              + weights.minimal_surface * fakes.minimal_surface_loss + weights.backdrop * fakes.backdrop_loss)

    return jax.grad(loss)(params)

  z = jnp.zeros((1, generator.latent_dim))
  params = jax.device_put(jax.jit(generator.init)(jax.random.key(0), z), sharding.replicated(mesh))
  draw = jax.device_put(draw, sharding.over_batch(mesh))
  program = jax.jit(gradient, out_shardings=sharding.replicated(mesh)).lower(params, draw).compile()
  return lambda: program(params, draw), program, flops.count(functools.partial(gradient, num_chunks=1), params, draw)


def vary(config, variant: str):
  """The config with the entries of a variant, "key=value key=value"; values as in Python, a word being a string."""
  config = config.copy_and_resolve_references()
  for entry in variant.split():
    key, _, value = entry.partition('=')
    try:
      value = ast.literal_eval(value)
    except (ValueError, SyntaxError):
      pass  # a word
    config.update_from_flattened_dict({key: value})
  return config


def measure(config, part: str, repeats: int, variants=()) -> list[dict]:
  """Times `repeats` steps of a config and of each variant, or the generator's part of them, on all devices."""
  mesh = sharding.make_mesh()
  variants = ['', *variants]
  configs = [vary(config, variant) for variant in variants]
  for config in configs:
    checks.check(config, mesh)
  configs = [plan.resolve(config, mesh) for config in configs]
  calls, counts, rows = [], [], []
  for variant, config in zip(variants, configs):
    started = time.perf_counter()
    call, program, model_flops = {'whole': compile_step, 'generator': compile_generator_part}[part](config, mesh)
    compile_seconds = time.perf_counter() - started
    jax.block_until_ready(call())
    first_seconds = time.perf_counter() - started
    memory = program.memory_analysis()
    calls.append(call)
    counts.append(model_flops)
    rows.append(dict(
        variant=variant or 'as it is', device=jax.devices()[0].device_kind, devices=mesh.size, part=part, image_size=config.image_size,
        width=config.generator.width, num_samples=config.num_samples, batch_size=config.batch_size,
        discriminator_dtype=config.discriminator_dtype, compile_seconds=compile_seconds, first_seconds=first_seconds,
        temporary_gib=memory.temp_size_in_bytes / 2**30 if memory else None))
  seconds = machine.interleaved(calls, repeats)
  peak, load = machine.matrix_peak(), os.getloadavg()[0]
  own = np.median(seconds[0])
  return [
      row | dict(load=load, ratio=float(np.median(times) / own))
      | machine.metrics(times, images=row['batch_size'], flops=model_flops, peak=peak)
      | dict(peak_resident_gib=machine.peak_resident_gib(), peak_device_gib=machine.peak_device_gib())
      for row, times, model_flops in zip(rows, seconds, counts)]


def main(argv):
  del argv
  for row in measure(_CONFIG.value, _PART.value, _REPEATS.value, _VARIANTS.value):
    machine.report(row, _OUTPUT.value)


if __name__ == '__main__':
  _CONFIG = config_flags.DEFINE_config_file('config', 'configs/portraits32.py', 'What to time.', lock_config=True)
  _PART = flags.DEFINE_enum('part', 'whole', ['whole', 'generator'], 'Whole steps, or what is left of them without discriminators.')
  _REPEATS = flags.DEFINE_integer('repeats', 5, 'Timed steps, after two that are not.', lower_bound=1)
  _VARIANTS = flags.DEFINE_multi_string('variant', [], 'Entries that a further config has otherwise: "key=value key=value".')
  _OUTPUT = flags.DEFINE_string('output', None, 'JSON lines are appended here.')
  app.run(main)
