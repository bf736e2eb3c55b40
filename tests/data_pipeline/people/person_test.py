"""People are drawn part by part; exchange takes the part that it names and no other."""

import dataclasses

import numpy as np
import pytest

from data_pipeline.people import edits
from data_pipeline.people import person as person_lib


def test_person_depends_on_seed_and_index():
  """The same numbers are the same person, others somebody else."""
  assert person_lib.draw(0, 5) == person_lib.draw(0, 5)
  assert person_lib.draw(0, 5) != person_lib.draw(0, 6) != person_lib.draw(1, 6)


def test_vector_holds_all_numbers():
  """Two people have different vectors of one size; the same person the same, finite one."""
  vectors = [person_lib.to_vector(person_lib.draw(2, index)) for index in range(20)]
  assert {vector.shape for vector in vectors} == {(person_lib.VECTOR_SIZE,)}
  assert all(np.isfinite(vector).all() and vector.dtype == np.float32 for vector in vectors)
  assert len({vector.tobytes() for vector in vectors}) == 20
  np.testing.assert_array_equal(vectors[3], person_lib.to_vector(person_lib.draw(2, 3)))


def test_attributes_agree_with_the_person():
  """What truth lists is what somebody wears."""
  for index in range(60):
    person = person_lib.draw(4, index)
    attributes = person_lib.attributes(person)
    assert attributes['glasses'] == (person.glasses is not None) and attributes['hat'] == (person.hat is not None)
    assert attributes['female'] == person.traits.female and attributes['hair'] == person.hair.style


def test_age_and_sex_go_with_beard_and_hair():
  """Women have no beards; the old are greyer than the young."""
  people = [person_lib.draw(6, index) for index in range(300)]
  assert not any(person.beard for person in people if person.traits.female)
  assert any(person.beard for person in people)
  assert 0.45 < np.mean([person.traits.female for person in people]) < 0.7
  assert min(person.traits.age for person in people) >= 16


@pytest.mark.parametrize('region', edits.REGIONS)
def test_exchange_with_oneself_changes_nothing(region):
  """A's own region put back is A."""
  person = person_lib.draw(0, 1)
  assert edits.exchange(person, person, region) == person


@pytest.mark.parametrize('region, what, part', [
    ('nose', 'shape', 'shape'), ('eyes', 'texture', 'eyes'), ('hair', 'texture', 'hair'), ('hair', 'shape', 'hair'), ('hat', 'shape', 'hat'),
    ('skin', 'texture', 'skin'), ('mouth', 'texture', 'skin')])
def test_exchange_takes_one_part(region, what, part):
  """Every other part stays A's."""
  a, b = person_lib.draw(0, 1), person_lib.draw(0, 2)
  edited = edits.exchange(a, b, region, what)
  for field in dataclasses.fields(a):
    if field.name != part:
      assert getattr(edited, field.name) == getattr(a, field.name), field.name


def test_hair_has_a_shape_and_a_colour():
  """B's style in A's colour, and the other way round."""
  a, b = person_lib.draw(0, 1), person_lib.draw(0, 2)
  styled, dyed = edits.exchange(a, b, 'hair', 'shape').hair, edits.exchange(a, b, 'hair', 'texture').hair
  assert (styled.style, styled.colour) == (b.hair.style, a.hair.colour)
  assert (dyed.style, dyed.colour) == (a.hair.style, b.hair.colour)


def test_refusals_name_the_choice():
  """A region that isn't one, or that has no such thing."""
  a, b = person_lib.draw(0, 1), person_lib.draw(0, 2)
  with pytest.raises(ValueError, match="no region 'chin' to exchange; use one of nose, eyes"):
    edits.exchange(a, b, 'chin')
  with pytest.raises(ValueError, match="nose has no 'texture' to exchange; use shape or both"):
    edits.exchange(a, b, 'nose', 'texture')
