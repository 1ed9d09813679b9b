"""Records of JSON that differ in one place from what a writer makes."""

import copy

from hypothesis import strategies as st


def json_values(**floats):
    """Whatever JSON can hold; ``floats`` are arguments of the strategy of that name."""
    return st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(**floats) | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=6,
    )


def places(record, path=()):
    """The keys that lead to each value of a record."""
    yield path
    if isinstance(record, dict):
        for key, value in record.items():
            yield from places(value, (*path, key))


def with_one_place_changed(record, data, values, among):
    """A copy in which one place holds another value, or is gone; ``among`` says which places may be taken."""
    changed = copy.deepcopy(record)
    place = data.draw(st.sampled_from([p for p in places(changed) if p and among(p)]))
    inside = changed
    for key in place[:-1]:
        inside = inside[key]
    if data.draw(st.booleans()):
        inside[place[-1]] = data.draw(values)
    else:
        del inside[place[-1]]
    return changed
