"""The command line of pictures, asked as a user asks it."""

from cnerf_jax.draw import command_line

_PROGRESS = ('people', 'views', 'parts', 'swap', 'interpolate', 'video', 'edit', 'directions', 'invert', 'export', 'mesh')


def said(capsys, *arguments):
  """(exit code, standard output, error output without progress)."""
  try:
    code = command_line.main([str(argument) for argument in arguments])
  except SystemExit as error:
    code = error.code
  out, error = capsys.readouterr()
  return code, out, '\n'.join(line for line in error.splitlines() if not line.startswith(_PROGRESS))
