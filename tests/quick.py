"""Quick compilation, for commands that tests run: most of their time is XLA's, and what it makes runs only a few times."""

# With costly optimisations off, half the time is that of the fusion emitters. An extra option: unlike a flag, one that a later XLA does
# not know is no error.
FLAGS = '--xla_backend_extra_options=xla_cpu_disable_new_fusion_emitters'


def environment(num_devices: int | None = None) -> dict[str, str]:
  """Variables that make a JAX process compile quickly, on so many simulated devices; as many as it likes by default."""
  devices = '' if num_devices is None else f'--xla_force_host_platform_device_count={num_devices}'
  return {'JAX_PLATFORMS': 'cpu', 'JAX_DISABLE_MOST_OPTIMIZATIONS': '1', 'XLA_FLAGS': f'{devices} {FLAGS}'.strip()}
