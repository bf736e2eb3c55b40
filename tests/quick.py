"""Quick compilation, for commands that tests run: most of their time is XLA's, and what it makes runs only a few times."""

import jaxlib

# With costly optimisations off, half the time is that of the fusion emitters. The flag is one of jaxlib 0.10; a flag that XLA does not
# know ends the process.
FLAGS = '--xla_cpu_use_fusion_emitters=false' if jaxlib.version.__version_info__ < (0, 11) else ''


def environment(num_devices: int | None = None) -> dict[str, str]:
  """Variables that make a JAX process compile quickly, on so many simulated devices; as many as it likes by default."""
  devices = '' if num_devices is None else f'--xla_force_host_platform_device_count={num_devices}'
  return {'JAX_PLATFORMS': 'cpu', 'JAX_DISABLE_MOST_OPTIMIZATIONS': '1', 'XLA_FLAGS': f'{devices} {FLAGS}'.strip()}
