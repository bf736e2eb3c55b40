import pytest

from data_pipeline import region_fields

TABLE = {'hair': dict(shape=('cut', 'fall'), texture=('colour',)), 'ears': dict(shape=('size',))}


@pytest.mark.parametrize('region, what, expected', [
    ('hair', 'shape', ['cut', 'fall']), ('hair', 'texture', ['colour']), ('hair', 'both', ['cut', 'fall', 'colour']),
    ('ears', 'both', ['size'])])
def test_fields_of_a_kind(region, what, expected):
  """Protects true edits: just the fields of what is exchanged, and of a region with one kind all that it has."""
  assert region_fields.fields(TABLE, region, what) == expected


@pytest.mark.parametrize('region, what, words', [
    ('chin', 'both', "no region 'chin' to exchange; use one of hair, ears"),
    ('ears', 'texture', "ears has no 'texture' to exchange; use shape or both")])
def test_what_is_not_there_is_one_line(region, what, words):
  """Protects from an edit of nothing: the value, and what there is."""
  with pytest.raises(ValueError, match=f'^{words}$'):
    region_fields.fields(TABLE, region, what)
  with pytest.raises(ValueError, match="no region 'chin'"):
    region_fields.check(TABLE, 'chin')
