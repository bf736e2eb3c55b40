"""Stage 1 on twelve-class portraits at 64x64, faithful to the published code. Kept for comparison; train with ffhq12.py.

  python main.py --config=configs/ffhq12_published.py --workdir=DIR --config.data.dir=DATA  (made as docs/data.md says)

Hardware and hours: published as batch 24 on 8 GPUs; 300k steps. Expected: on small portraits this recipe stays noise
(docs/convergence.md says why), so no scores are promised. Each constant: paper section 3 and its supplement, unless noted.
docs/differences.md lists the choices in which ffhq12.py departs from this file, and where this file departs from the published code.
"""

import ml_collections


def get_config() -> ml_collections.ConfigDict:
  """The published constants."""
  config = ml_collections.ConfigDict()
  config.seed = 0
  config.num_steps = 300_000
  config.batch_size = 24
  config.num_micro_batches = 1  # gradient accumulation: equal results, less memory; 0: as few as fit the device
  config.image_size = 64  # pixels
  config.coarse_size = 64  # pixels; the first coarse_steps are rendered at this size
  config.coarse_steps = 0
  config.num_samples = 24  # along a ray
  config.num_chunks = 0  # rays are rendered in this many chunks; 0 chooses so that a chunk stays small

  # data
  config.data = ml_collections.ConfigDict()
  config.data.name = 'ffhq'  # prepared records in data.dir
  config.data.dir = '~/.cache/cnerf_jax/data'
  config.data.class_set = 'ffhq12'
  config.data.record_size = 64  # pixels, of the stored images
  config.data.num_train = 70_000
  config.data.num_validation = 1_000
  config.data.num_test_identities = 100
  config.data.dilation = 'overlap'  # of thin classes, before training: a mask may overlap another
  config.data.flip = False  # every other example mirrored, with its labels and its azimuth

  # cameras: standard deviations in radians
  config.camera = ml_collections.ConfigDict(dict(azimuth_std=0.3, elevation_std=0.15))
  config.mixing_probability = 0.9

  # generator
  config.generator = ml_collections.ConfigDict()
  config.generator.style_dim = 256
  config.generator.width = 128
  config.generator.mapping_layers = 3
  config.generator.num_shape_layers = 3
  config.generator.num_texture_layers = 2
  config.generator.gamma_offset = 30.0
  config.generator.base = 'network'
  config.generator.residual_scale = 1.0
  config.generator.residual_from_zero = False
  config.generator.mask_fusion = 'raw'
  config.generator.mask_sharpness = 1.0
  config.generator.color_gain = 1.0
  config.generator.density_beta_init = 0.1  # world units

  # sphere initialisation of the base network
  config.sphere = ml_collections.ConfigDict(dict(num_steps=10_000, learning_rate=2e-5, batch_size=24))

  # warm start: the generator as decoder of a variational autoencoder (not in the paper)
  config.reconstruction = ml_collections.ConfigDict(dict(
      num_steps=0, batches_per_step=4, rays_per_portrait=128, learning_rate=5e-4, encoder_learning_rate=1e-3, image_weight=4.0,
      prior_weight=0.004, num_encoded=4096, b1=0.9, b2=0.99, generator_multipliers=dict(heads=2.0, film=2.0, density_beta=0.2)))

  # discriminators: channels at full resolution, then after each halving
  config.global_discriminator = ml_collections.ConfigDict(dict(channels=(128, 256, 400, 400, 400, 400)))
  config.semantic_discriminator = ml_collections.ConfigDict(dict(channels=(256, 512, 512, 512, 512), head_width=512))
  config.discriminator_dtype = 'float32'  # or bfloat16: of their convolutions; half the memory traffic on GPU and TPU
  config.class_draw = 'uniform'
  config.share_fakes = False
  # adaptive augmentation for small sets (Karras et al. 2020; not in the paper): off at target 0, usually 0.6
  config.augmentation = ml_collections.ConfigDict(dict(target=0.0, adjust_every=4, images_to_full=500_000))
  config.r1_share = 1.0  # of the reals of a batch, every step
  config.eikonal_share = 1.0  # of the samples of a rendering
  config.eikonal_of = 'residual'  # the published code's gradient leaves the base out

  # weights of the unweighted loss terms
  config.loss_weights = ml_collections.ConfigDict()
  config.loss_weights.global_discriminator = dict(
      adversarial=1.0, viewpoint=15.0, viewpoint_real=0.0, r1_image=10 / 2, r1_mask=1000 / 2)
  config.loss_weights.semantic_discriminator = dict(
      adversarial=1.0, semantic_class=1.0, r1_image=10 / 2, r1_mask=1000 / 2)
  config.loss_weights.generator = dict(
      adversarial_global=1.0, adversarial_semantic=1.0, viewpoint=15.0, semantic_class=1.0, eikonal=0.1,
      minimal_surface=0.001)

  # optimisers: Adam
  config.optimizer = ml_collections.ConfigDict()
  config.optimizer.generator = 2e-5
  config.optimizer.global_discriminator = 2e-4
  config.optimizer.semantic_discriminator = 2e-4
  config.optimizer.b1 = 0.0
  config.optimizer.b2 = 0.9
  config.optimizer.generator_warmup_steps = 0  # its rate rises from zero over so many steps
  config.optimizer.decay_from = 1.0  # share of the run after which learning rates decay; 1: never
  config.optimizer.generator_multipliers = dict(heads=1.0, film=1.0, density_beta=1.0)
  config.ema_half_life_images = 7_500.0  # 0.5^(batch / half life) a step: 0.5^(32/10000) at batch 24
  config.ema_ramp = 0.0  # half life at most this share of the images seen; 0: no ramp

  # reporting
  config.report_every = 100  # steps between lines of metrics
  config.sheet_every = 1_000  # steps between sample sheets and gradient norms per term
  config.evaluate_every = 10_000
  config.checkpoint_every = 1_000
  config.keep_checkpoints = 3
  config.evaluation = ml_collections.ConfigDict()
  config.evaluation.num_images = 2_048
  config.evaluation.num_oracle_images = 10_000
  config.evaluation.oracle = dict()  # evaluation.oracle.OracleSettings
  return config.lock()
