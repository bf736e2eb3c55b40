"""Every field of a config: the recommended value, unit, range and source. Stage 1 on twelve-class portraits at 64x64.

The other configs are this table with changes. Sources are sections of the paper and its supplement; where the recommended value
differs from the published one, `ffhq12_published.py` has that, and docs/differences.md says why. Fields without a source are ours.
"""

import ml_collections

from configs import fields
from configs.fields import number, one_of, stages, switch, whole, widths, words

PAPER, SUPPLEMENT = 'paper, section 3', 'paper, supplement'
ADA, GANS = 'Karras et al. 2020 (StyleGAN2-ADA)', 'Mescheder et al. 2018'

FIELDS: fields.Table = dict(
    seed=whole(0, 'seed of all random draws in the run', most=2**31 - 1),
    num_steps=whole(300_000, 'steps of adversarial training', least=1, source=SUPPLEMENT),
    batch_size=whole(24, 'portraits a step, on all devices together', least=1, source=SUPPLEMENT),
    num_micro_batches=whole(1, 'parts that a batch is cut into, one after another: equal results, less memory; 0: as few as fit the device'),
    image_size=whole(64, 'side of the images, pixels; a power of two', least=4, source=PAPER),
    coarse_to_fine=stages((), 'the first steps are rendered coarsely: (until step, side of the rendered fakes in pixels), ...'),
    num_samples=whole(24, 'samples along a ray', least=2, source=SUPPLEMENT),
    num_chunks=whole(0, 'rays are rendered in so many chunks; 0 chooses so that a chunk stays small'),
    data=dict(
        name=words('ffhq', '`portraits` and `people` are drawn on first use; other names are prepared records in data.dir (docs/data.md)'),
        dir=words('~/.cache/cnerf_jax/data', 'folder of data sets'),
        class_set=one_of('ffhq12', 'ffhq9', meaning='the semantic classes (cnerf_jax/semantics.py)', source=PAPER),
        record_size=whole(64, 'side of the stored images, pixels; a multiple of image_size', least=4),
        num_train=whole(70_000, 'of those that are drawn: people to train on', least=1),
        num_validation=whole(1_000, 'of those that are drawn: people held out', least=1),
        num_test_identities=whole(100, 'of those that are drawn: people seen from ten views each', least=1),
        dilation=one_of(
            'exclusive', 'overlap', 'none', meaning='thin classes widened before training: neighbours give way, masks overlap, or no dilation',
            source='the published data code overlaps; softmax masks can not'),
        flip=switch(True, 'every other example mirrored, with its labels and its azimuth'),
    ),
    camera=dict(
        azimuth_std=number(0.3, 'standard deviation, radians', least=0, below=1.6, source=SUPPLEMENT),
        elevation_std=number(0.15, 'standard deviation, radians', least=0, below=0.8, source=SUPPLEMENT),
        elevation_mean=number(0.0, 'mean, radians; positive looks down on the head', above=-0.8, below=0.8),
        from_data=switch(False, "these three numbers are the data's own where its cameras were read from label maps"),
    ),
    mixing_probability=number(0.5, 'probability that a fake mixes two style codes over its classes', least=0, most=1, source=PAPER),
    generator=dict(
        style_dim=whole(256, 'width of z and w', least=1, source=SUPPLEMENT),
        width=whole(128, 'channels of a local generator', least=1, source=SUPPLEMENT),
        mapping_layers=whole(3, 'linear layers of the mapping network', least=1, source=SUPPLEMENT),
        num_shape_layers=whole(3, 'FiLM-SIREN layers that see the shape style', least=1, source=SUPPLEMENT),
        num_texture_layers=whole(2, 'FiLM-SIREN layers that see the texture style', least=1, source=SUPPLEMENT),
        gamma_offset=number(30.0, 'mean frequency of the sines', above=0, source='published code'),
        base=one_of('sphere', 'network', meaning='base signed distance: the exact sphere, or a network fitted to it', source=PAPER),
        residual_scale=number(0.25, 'factor on residual signed distances', above=0),
        residual_from_zero=switch(True, 'residual signed distances start at zero, so that the field starts as the sphere'),
        mask_fusion=one_of('softmax', 'raw', meaning='what becomes of mask scores at a point', source='published: raw'),
        mask_sharpness=number(10.0, 'factor on mask scores before their softmax', above=0),
        color_gain=number(5.0, 'factor on the fused colour logit', above=0),
        view_dependence=one_of('all', 'colour', 'none', meaning='heads that see the view direction; published: all'),
        region_dim=whole(0, 'width of the shape and texture latent of each class; 0: one latent of style_dim for all, as published'),
        residual_fusion=one_of(
            'sum', 'masked', meaning="what becomes of the classes' residual signed distances: their sum, as published, or each times its mask"),
        density_beta_init=number(0.03, 'first width of the surface in the density, world units', above=0, most=1, source='published: 0.1'),
    ),
    sphere=dict(
        num_steps=whole(0, 'steps that fit the base network to the sphere', source=SUPPLEMENT),
        learning_rate=number(2e-5, 'of Adam', above=0, source='published code'),
        batch_size=whole(24, 'portraits a step', least=1, source='published code'),
    ),
    vae_pretraining=dict(
        num_steps=whole(0, 'steps in which the generator learns to reconstruct real portraits; 0: none, as in the paper'),
        viewpoints=one_of(
            'known', 'refined', 'guessed', meaning='cameras of real portraits: of the records; the same, corrected by the encoder; or '
            "the encoder's guess, without any (cnerf_jax/training/pretraining_viewpoints.py)"),
        viewpoint_weight=number(10.0, "of the loss that holds the encoder's viewpoints to those read, or at first to those guessed", least=0),
        spread_weight=number(1.0, 'of the loss that pulls guessed viewpoints to the spread of `camera`', least=0),
        mirror_latents=one_of(
            'guessed', 'always', 'never', meaning='where an image and its mirror image get the same latents (deeper heads, softer '
            'pictures): with guessed viewpoints, always or never'),
        batches_per_step=whole(4, 'batches of portraits a step', least=1),
        rays_per_portrait=whole(128, 'random pixels reconstructed of each portrait', least=1),
        rays_of_classes=number(
            0.0, 'part of those rays that goes to the classes of a portrait, to each the same, so that small ones are learnt', least=0, most=1),
        learning_rate=number(5e-4, 'of the generator, at first; it falls to a tenth', above=0),
        encoder_learning_rate=number(1e-3, 'of the encoder, likewise', above=0),
        rare_weight_power=number(
            0.0, 'portraits that show a rare class count more, by (fraction of the batch that shows it)^-power; 0: all alike', least=0, most=1),
        image_weight=number(4.0, 'of the squared error of colours, against the cross-entropy of masks', least=0),
        prior_weight=number(0.004, 'of the divergence of latents from N(0, I)', least=0),
        free_nats=number(
            0.0, 'divergence that the latents of a class and kind, or the one latent of all, have for nothing, nats', least=0),
        warmup_steps=whole(0, 'over which both learning rates rise from zero'),
        num_encoded=whole(4096, 'portraits whose latents give the Gaussian that is folded into the mapping network', least=2),
        sharpen_masks=number(1.0, 'factor on mask scores at its end; above 1: steeper borders (cnerf_jax/training/sharpening.py)', above=0),
        thin_surfaces=number(1.0, 'divides density_beta at its end; above 1: thinner surfaces (cnerf_jax/training/sharpening.py)', above=0),
        refit_steps=whole(0, 'after the adversarial training, in which the encoder alone learns to redraw portraits by its generator'),
        b1=number(0.9, 'of Adam', least=0, below=1),
        b2=number(0.99, 'of Adam', least=0, below=1),
        generator_multipliers=dict(
            heads=number(2.0, 'of the learning rate of the heads', least=0),
            film=number(2.0, 'of that of the FiLM projections', least=0),
            density_beta=number(0.2, 'of that of density_beta', least=0),
        ),
    ),
    global_discriminator=dict(
        channels=widths((128, 256, 400, 400, 400, 400), 'at full resolution, then after each halving, down to 2x2 pixels', source=SUPPLEMENT),
    ),
    semantic_discriminator=dict(
        channels=widths((256, 512, 512, 512, 512), 'at full resolution, then after each halving, down to 4x4 pixels', source=SUPPLEMENT),
        head_width=whole(512, 'hidden width of both heads', least=1, source='published code'),
        kind=one_of(
            'recommended', 'published', meaning='activations, order of the last map, and what R1 is taken with respect to: region or image '
            '(cnerf_jax/models/semantic_discriminator.py)'),
    ),
    discriminator_dtype=one_of(
        'float32', 'bfloat16', meaning='of their convolutions; bfloat16 halves the memory traffic on GPU and TPU'),
    class_draw=one_of(
        'present', 'uniform', 'own', meaning='which class the semantic discriminator is shown: uniform over all (published); over those in the '
        'real portrait; or of fakes over those in the fake itself'),
    reuse_fakes=switch(True, 'one batch of fakes for all three players; False renders another for the generator, as published'),
    augmentation=dict(
        target=number(0.0, 'target mean of sign(D(real)); 0 turns augmentation off, 0.6 is usual', least=0, below=1, source=ADA),
        adjust_every=whole(4, 'steps between changes of the strength', least=1, source=ADA),
        images_to_full=whole(500_000, 'images that would bring the strength from 0 to 1', least=1, source=ADA),
    ),
    r1_fraction=number(1.0, 'of the reals of a batch that R1 is taken of, every step; one over a whole number', above=0, most=1, source=GANS),
    eikonal_fraction=number(0.125, 'of the samples of a rendering at which the eikonal loss is evaluated', above=0, most=1),
    eikonal_of=one_of('whole', 'residual', meaning='signed distance that the eikonal loss is of', source='published code: residual'),
    loss_weights=dict(
        global_discriminator=dict(
            adversarial=number(1.0, 'weight of the non-saturating logistic loss', least=0, source=PAPER),
            viewpoint=number(15.0, 'weight of the viewpoint loss of fakes', least=0, source=PAPER),
            viewpoint_real=number(0.0, 'weight of that of reals, whose cameras must be known', least=0),
            r1_image=number(2.0, 'weight of R1 on images, half of the customary gamma', least=0, source='published: 10 / 2'),
            r1_mask=number(4.0, 'weight of R1 on masks', least=0, source='published: 1000 / 2'),
        ),
        semantic_discriminator=dict(
            adversarial=number(1.0, 'weight of the non-saturating logistic loss', least=0, source=PAPER),
            semantic_class=number(1.0, 'weight of the classification of regions, real and fake', least=0, source=PAPER),
            r1_image=number(2.0, 'weight of R1 on regions', least=0, source='published: 10 / 2'),
            r1_mask=number(4.0, 'weight of R1 on masks', least=0, source='published: 1000 / 2'),
        ),
        generator=dict(
            adversarial_global=number(1.0, 'weight against the global discriminator', least=0, source=PAPER),
            adversarial_semantic=number(1.0, 'weight against the semantic discriminator', least=0, source=PAPER),
            viewpoint=number(15.0, 'weight of the viewpoint loss', least=0, source=PAPER),
            semantic_class=number(1.0, 'weight of the classification of fake regions', least=0, source=PAPER),
            eikonal=number(0.1, 'weight of the eikonal loss', least=0, source=PAPER),
            minimal_surface=number(0.001, 'weight of the minimal surface loss', least=0, source='published code'),
            reconstruction=number(
                0.0, "of pretraining's loss in the adversarial phase; regional latents alone (cnerf_jax/training/kept_reconstruction.py)",
                least=0),
            backdrop=number(0.0, 'weight of the backdrop loss: what no surface stops is background; needs softmax masks', least=0),
        ),
    ),
    optimizer=dict(
        generator=number(6e-5, 'learning rate of Adam; 0 freezes the player', least=0, source='published: 2e-5'),
        global_discriminator=number(1e-3, 'learning rate of Adam', least=0, source='published: 2e-4'),
        semantic_discriminator=number(1e-3, 'learning rate of Adam', least=0, source='published: 2e-4'),
        b1=number(0.0, 'of Adam', least=0, below=1, source=SUPPLEMENT),
        b2=number(0.99, 'of Adam', least=0, below=1, source='published: 0.9'),
        generator_warmup_steps=whole(0, 'over which the rate of the generator rises from zero'),
        decay_from=number(1.0, 'part of the run after which learning rates fall to a tenth; 1: never', least=0, most=1),
        generator_multipliers=dict(
            heads=number(8.0, 'of the learning rate of the heads', least=0),
            film=number(3.0, 'of that of the FiLM projections', least=0),
            density_beta=number(0.2, 'of that of density_beta', least=0),
        ),
    ),
    ema_half_life_images=number(1_106.0, 'images after which half of the average is new', above=0, source='published: 7,500'),
    ema_ramp=number(0.2, 'the half life is at most this part of the images seen; 0: no ramp', least=0, most=1),
    report_every=whole(100, 'steps between lines of metrics', least=1),
    sheet_every=whole(1_000, 'steps between sample sheets, and gradient norms per loss term', least=1),
    evaluate_every=whole(10_000, 'steps between scores', least=1),
    checkpoint_every=whole(1_000, 'steps between checkpoints', least=1),
    keep_checkpoints=whole(3, 'newest checkpoints that stay, besides the best', least=1),
    evaluation=dict(
        num_images=whole(2_048, 'samples, and as many real portraits, that are compared', least=2),
        num_edited_people=whole(
            64, 'people whose classes are swapped, to see whether edits stay local, at the end of training and with --mode=evaluate; 0: none',
            most=64),
        num_oracle_images=whole(10_000, 'real portraits that the oracle learns from', least=1),
        oracle=dict(
            steps=whole(600, 'of its training', least=1),
            batch_size=whole(32, 'portraits a step', least=1),
            channels=widths((32, 64, 128), 'at full, half and quarter resolution'),
            learning_rate=number(3e-3, 'peak, after a linear rise over a tenth of the steps; then a cosine fall to 0', least=0),
            viewpoint_weight=number(0.3, 'of the squared error in standard deviations, against the cross-entropy per pixel', least=0),
            tint=number(0.1, 'standard deviation of a random gain and offset per image and channel', least=0),
            noise=number(0.03, 'standard deviation of pixel noise', least=0),
            seed=whole(0, 'seed of its training', most=2**31 - 1),
        ),
    ),
)


def get_config() -> ml_collections.ConfigDict:
  """The recommended values."""
  return ml_collections.ConfigDict(fields.values(FIELDS)).lock()
