"""`python -m cnerf_jax.draw`: see `command_line`."""

import os
import sys

from cnerf_jax.draw import command_line


def _prepare_devices() -> None:
  """Every core of a CPU a device of its own, which draws a picture faster than all together; compiled programs are kept."""
  import jax  # after the arguments were understood
  if '--xla_force_host_platform_device_count' not in os.environ.get('XLA_FLAGS', ''):
    jax.config.update('jax_num_cpu_devices', len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1)
  if not jax.config.jax_compilation_cache_dir:
    jax.config.update('jax_compilation_cache_dir', os.path.expanduser('~/.cache/cnerf_jax/xla'))


if __name__ == '__main__':
  sys.exit(command_line.main(prepare_devices=_prepare_devices))
