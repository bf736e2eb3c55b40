"""One training step as the paper tells it, line by line, for the whole batch: what `train_step` must equal however it is arranged.

Nothing here comes from the steps of the players. Every fake is rendered where it is needed, from the parameters that hold there.
"""

import jax
import jax.numpy as jnp
import optax

from cnerf_jax import camera as camera_lib
from cnerf_jax import rays as rays_lib
from cnerf_jax import semantics
from cnerf_jax.losses import eikonal
from cnerf_jax.losses import minimal_surface
from cnerf_jax.rendering import volume_rendering
from cnerf_jax.training import augmentation
from cnerf_jax.training import draws


def take_step(config, players, optimizers, state, batch, reuse_fakes, *, render_size):
  """(state, metrics, what was drawn) after one step with augmentation on and the class draw 'own'.

  With `reuse_fakes`, which may be traced, the generator is taught by the discriminators' fakes, else by others.
  """
  num_classes, batch_size = players.generator.num_classes, config.batch_size
  weights, metrics = config.loss_weights, {}

  # keys, and all that is random
  step_key = jax.random.fold_in(state.key, state.step)
  fake_key, class_key, own_fake_key, own_class_key = jax.random.split(step_key, 4)
  augmentation_keys = jax.random.split(jax.random.fold_in(step_key, 2**32 - 2), 3)
  real_moves, fake_moves, generator_moves = [
      augmentation.draw(key, batch_size, state.augmentation.strength, config.image_size) for key in augmentation_keys]
  draw = draws.draw_fakes(fake_key, batch_size, config, num_classes=num_classes, render_size=render_size)
  noise = jax.random.gumbel(class_key, (batch_size, num_classes))
  own_draw = draws.draw_fakes(own_fake_key, batch_size, config, num_classes=num_classes, render_size=render_size)
  own_noise = jax.random.gumbel(own_class_key, (batch_size, num_classes))
  own_draw, own_noise = jax.tree.map(lambda x, own: jnp.where(reuse_fakes, x, own), (draw, noise), (own_draw, own_noise))

  # reals as coarse as the fakes, then transformed
  coarse = {name: low_pass(batch[name], render_size) for name in ('image', 'semantic_mask')}
  real_image, real_mask = augmentation.apply(real_moves, coarse['image'], coarse['semantic_mask'])
  real_class = draw_own_class(noise, real_mask)

  # fakes, transformed by moves of their own
  rendered = render(config, players, state.generator_params, draw, render_size)
  fake_image, fake_mask = augmentation.apply(fake_moves, rendered['image'], rendered['semantic_mask'])
  fake_class = draw_own_class(noise, fake_mask)

  drawn = dict(
      mirrored=jnp.stack([moves.mirrored for moves in (real_moves, fake_moves, generator_moves)]), viewpoint=draw.viewpoint,
      real_class=real_class, fake_class=fake_class)

  # the global discriminator's turn
  def global_loss(params):
    score = lambda image, mask: players.global_discriminator.apply(params, image, mask)
    on_real, on_fake = score(real_image, real_mask), score(fake_image, fake_mask)
    terms = {
        'adversarial': realness_loss(on_real.realness_logits, on_fake.realness_logits),
        'viewpoint': huber(on_fake.viewpoint - mirror_azimuth(draw.viewpoint, fake_moves)),
        'viewpoint_real': huber(on_real.viewpoint - mirror_azimuth(batch['viewpoint'], real_moves))}
    terms |= r1_terms(lambda *x: score(*x).realness_logits, real_image, real_mask, config.r1_fraction)
    watched = {
        'accuracy': accuracy(on_real.realness_logits, on_fake.realness_logits),
        'real_sign': jnp.mean(jnp.sign(on_real.realness_logits))}
    return weighted(terms, weights.global_discriminator), terms | watched

  global_params, global_optimizer = move(
      'global_discriminator', global_loss, optimizers.global_discriminator, state.global_discriminator_optimizer,
      state.global_discriminator_params, metrics)

  # the semantic discriminator's turn
  def semantic_loss(params):
    score = lambda region, mask: players.semantic_discriminator.apply(params, region, mask)
    region, mask = cut_out(real_image, real_mask, real_class)
    on_real, on_fake = score(region, mask), score(*cut_out(fake_image, fake_mask, fake_class))
    terms = {
        'adversarial': realness_loss(on_real.realness_logits, on_fake.realness_logits),
        'semantic_class': cross_entropy(on_real.class_logits, real_class) + cross_entropy(on_fake.class_logits, fake_class)}
    terms |= r1_terms(lambda *x: score(*x).realness_logits, region, mask, config.r1_fraction)
    watched = {
        'accuracy': accuracy(on_real.realness_logits, on_fake.realness_logits),
        'class_accuracy': jnp.mean(jnp.argmax(on_real.class_logits, -1) == real_class)}
    return weighted(terms, weights.semantic_discriminator), terms | watched

  semantic_params, semantic_optimizer = move(
      'semantic_discriminator', semantic_loss, optimizers.semantic_discriminator, state.semantic_discriminator_optimizer,
      state.semantic_discriminator_params, metrics)

  # the generator's turn, against both as they have become
  def generator_loss(params):
    own = render(config, players, params, own_draw, render_size)
    image, mask = augmentation.apply(generator_moves, own['image'], own['semantic_mask'])
    own_class = draw_own_class(own_noise, mask)
    of_global = players.global_discriminator.apply(global_params, image, mask)
    of_semantic = players.semantic_discriminator.apply(semantic_params, *cut_out(image, mask, own_class))
    terms = {
        'adversarial_global': jnp.mean(jax.nn.softplus(-of_global.realness_logits)),
        'adversarial_semantic': jnp.mean(jax.nn.softplus(-of_semantic.realness_logits)),
        'viewpoint': huber(of_global.viewpoint - mirror_azimuth(own_draw.viewpoint, generator_moves)),
        'semantic_class': cross_entropy(of_semantic.class_logits, own_class),
        'eikonal': own['eikonal'], 'minimal_surface': own['minimal_surface'],
        'backdrop': own['backdrop']}
    return weighted(terms, weights.generator), terms

  generator_params, generator_optimizer = move(
      'generator', generator_loss, optimizers.generator, state.generator_optimizer, state.generator_params, metrics)

  # the average, and the strength of the transforms
  decay = 0.5**(batch_size / jnp.minimum(config.ema_half_life_images, config.ema_ramp * (state.step + 1) * batch_size))
  adapted = adapt(state, metrics['global_discriminator/real_sign'], config)
  metrics |= {
      'generator/density_beta': generator_params['params']['field']['density_beta'],
      'mask_area/fake': jnp.mean(rendered['semantic_mask'], axis=(0, 1, 2)),
      'mask_area/real': jnp.mean(coarse['semantic_mask'], axis=(0, 1, 2)),
      'augmentation/strength': adapted.strength}
  return state.replace(
      step=state.step + 1, augmentation=adapted,
      generator_params=generator_params, generator_optimizer=generator_optimizer,
      global_discriminator_params=global_params, global_discriminator_optimizer=global_optimizer,
      semantic_discriminator_params=semantic_params, semantic_discriminator_optimizer=semantic_optimizer,
      ema_params=jax.tree.map(lambda a, p: decay * a + (1 - decay) * p, state.ema_params, generator_params)), metrics, drawn


def move(name, loss, optimizer, optimizer_state, params, metrics):
  """(params, optimiser state) after a player's turn; what its loss reports goes into metrics."""
  gradients, report = jax.grad(loss, has_aux=True)(params)
  updates, optimizer_state = optimizer.update(gradients, optimizer_state, params)
  norm = jnp.sqrt(sum(jnp.sum(g**2) for g in jax.tree.leaves(gradients)))
  metrics.update({f'{name}/{term}': value for term, value in (report | {'gradient_norm': norm}).items()})
  return optax.apply_updates(params, updates), optimizer_state


def render(config, players, params, draw, size):
  """Fakes of all pixels at once: `image`, `semantic_mask`, and both geometry losses."""
  w = players.generator.apply(params, draw.latents.z, method='map_latents')
  choice = draw.latents.choice[..., None]
  first, second = w[:, None, 0], w[:, None, 1]
  styles = jnp.stack([jnp.where(choice == 2, second, first), jnp.where(choice == 0, first, second)], axis=2)
  field = players.generator.apply(params, styles, method='radiance_field')
  camera = camera_lib.orbit(draw.viewpoint[:, 0], draw.viewpoint[:, 1])
  rays = rays_lib.cast_rays(camera, image_size=size)
  distances = rays_lib.offset_distances(camera.near, camera.far, draw.jitter, num_samples=config.num_samples)
  rendering = volume_rendering.render_rays(field, rays, distances)
  points = volume_rendering.sample_points(rays, distances).reshape(len(choice), -1, 3)
  chosen = jnp.take_along_axis(points, draw.eikonal_indices[..., None], axis=1)
  masks = field.query(volume_rendering.sample_points(rays, distances), rays.viewdirs).mask_scores
  image = lambda x: jax.image.resize(
      x.reshape(x.shape[0], size, size, -1), (x.shape[0], config.image_size, config.image_size, x.shape[-1]), 'bilinear')
  return dict(
      image=image(rendering.rgb), semantic_mask=image(rendering.semantic_mask),
      eikonal=eikonal.eikonal_loss(field.sdf, chosen), minimal_surface=minimal_surface.minimal_surface_loss(rendering.sdf),
      backdrop=jnp.mean(rendering.last_weight * (1 - masks[:, :, -1, 0])))


def low_pass(image, size):
  """Means of blocks, smoothly enlarged again."""
  block = image.shape[1] // size
  starts = range(0, image.shape[1], block)
  means = jnp.stack([jnp.stack([jnp.mean(image[:, i:i + block, j:j + block], axis=(1, 2)) for j in starts], 1) for i in starts], 1)
  return jax.image.resize(means, image.shape, 'bilinear')


def draw_own_class(noise, semantic_mask):
  """Of the classes that a portrait has, the one of the largest noise."""
  has = jnp.max(semantic_mask, axis=(1, 2)) > semantics.PRESENT
  return jnp.argsort(jnp.where(has, noise, -1e9), axis=1)[:, -1]


def mirror_azimuth(viewpoint, moves):
  """Where a mirrored portrait seems to be seen from."""
  return jnp.stack([jnp.where(moves.mirrored == 1, -viewpoint[:, 0], viewpoint[:, 0]), viewpoint[:, 1]], axis=1)


def cut_out(image, semantic_mask, classes):
  """(image times mask, mask) of one class of each portrait."""
  one_hot = jax.nn.one_hot(classes, semantic_mask.shape[-1])
  mask = jnp.sum(semantic_mask * one_hot[:, None, None], axis=-1, keepdims=True)
  return image * mask, mask


def r1_terms(score, image, mask, fraction):
  """Mean squared length of the slope of realness, of every so manieth portrait."""
  every = round(1 / fraction)
  by_image, by_mask = jax.grad(lambda *x: jnp.sum(score(*x)), argnums=(0, 1))(image[::every], mask[::every])
  return {'r1_image': jnp.sum(by_image**2) / len(by_image), 'r1_mask': jnp.sum(by_mask**2) / len(by_mask)}


def realness_loss(real, fake):
  """Reals up, fakes down."""
  return jnp.mean(jax.nn.softplus(-real)) + jnp.mean(jax.nn.softplus(fake))


def accuracy(real, fake):
  """Share of portraits that are taken for what they are."""
  return jnp.mean(jnp.concatenate([real > 0, fake < 0]))


def huber(error):
  """Mean of a parabola within 1, a line beyond."""
  return jnp.mean(jnp.where(jnp.abs(error) < 1, error**2 / 2, jnp.abs(error) - 0.5))


def cross_entropy(logits, classes):
  """Mean, nats."""
  return -jnp.mean(jax.nn.log_softmax(logits)[jnp.arange(len(classes)), classes])


def weighted(terms, weights):
  """Sum of weight times term."""
  return sum(weights[name] * terms[name] for name in terms)


def adapt(state, real_sign, config):
  """The strength of the transforms goes up or down every so many steps."""
  settings, before = config.augmentation, state.augmentation
  total = before.sign_sum + real_sign
  change = settings.adjust_every * config.batch_size / settings.images_to_full
  up = total / settings.adjust_every > settings.target
  strength = jnp.clip(before.strength + jnp.where(up, change, -change), 0, augmentation.LARGEST_STRENGTH)
  is_due = (state.step + 1) % settings.adjust_every == 0
  return before.replace(strength=jnp.where(is_due, strength, before.strength), sign_sum=jnp.where(is_due, 0.0, total))
