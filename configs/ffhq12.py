"""Stage 1 on photographs with twelve classes at 64x64: the recommended recipe, `default.py` as it is.

  python main.py --config=configs/ffhq12.py --workdir=DIR --config.data.dir=DATA

Nobody has trained it to its end yet: hours and scores are unknown, and `--mode=plan` says what the device at hand would take. What it is
made of was measured on smaller images (docs/convergence.md).

DATA is what `python -m data_pipeline.prepare` made (docs/data.md). Photographs come without cameras, so that nothing here needs them.
Where they are known (prepare --viewpoints), the sign of the azimuth is learnt more reliably with
--config.loss_weights.global_discriminator.viewpoint_real=15.
"""

from configs import default

get_config = default.get_config
