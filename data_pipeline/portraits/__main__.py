"""`python -m data_pipeline.portraits --contact_sheet PATH.png`: a picture of many portraits, to look at."""

from absl import app
from absl import flags

from data_pipeline.portraits import contact_sheet

_CONTACT_SHEET = flags.DEFINE_string('contact_sheet', None, 'PNG file to write.', required=True)
_SEED = flags.DEFINE_integer('seed', 0, 'Seed of the people.')
_IDENTITIES = flags.DEFINE_integer('identities', 12, 'Number of people, one a row.', lower_bound=1)
_VIEWS = flags.DEFINE_integer('views', 5, 'Number of views of each, one a column.', lower_bound=1)
_IMAGE_SIZE = flags.DEFINE_integer('image_size', 64, 'Side of each picture in pixels.', lower_bound=8)
_MAGNIFICATION = flags.DEFINE_integer('magnification', 2, 'Pixels of the sheet for one of a picture.', lower_bound=1)


def main(arguments: list[str]) -> None:
  if len(arguments) > 1:
    raise app.UsageError(f'unknown argument {arguments[1]!r}; options are written --name=value')
  sheet = contact_sheet.contact_sheet(
      _SEED.value, num_identities=_IDENTITIES.value, num_views=_VIEWS.value, image_size=_IMAGE_SIZE.value,
      magnification=_MAGNIFICATION.value)
  try:
    sheet.save(_CONTACT_SHEET.value)
  except (OSError, ValueError) as error:
    raise SystemExit(
        f'cannot write {_CONTACT_SHEET.value} ({error}); name a .png file in an existing folder') from error
  print(f'wrote {_CONTACT_SHEET.value}')


if __name__ == '__main__':
  app.run(main)
