"""Names of a user's own objects: only those that a user wrote are imported."""

import sys

import pytest

from subnetlab.core.named import import_module_of, loaded_object


@pytest.fixture
def own(tmp_path, monkeypatch):
    """``own(text)``: a module of that content, which no test imported before."""

    def write(text):
        (tmp_path / "own_names.py").write_text(text)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "own_names", raising=False)

    yield write
    sys.modules.pop("own_names", None)


def test_an_object_is_found_after_its_module_was_imported_and_not_before(own):
    own("class A:\n    B = 3\n")
    assert loaded_object("own_names:A.B") is None
    assert "own_names" not in sys.modules
    import_module_of("own_names:A.B", owner="test", argument="name")
    assert loaded_object("own_names:A.B") == 3
    assert loaded_object("own_names:A.C") is loaded_object("own_names") is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("1 / 0", "(ZeroDivisionError: division by zero)"),
        ("def", "(SyntaxError: "),
        ("import nowhere_at_all", "(No module named 'nowhere_at_all')"),
    ],
)
def test_whatever_an_import_raises_is_one_error(own, text, why):
    own(text)
    with pytest.raises(ValueError, match="test: name must be in a module that can be imported, got 'own_names:A'") as e:
        import_module_of("own_names:A", owner="test", argument="name")
    assert why in str(e.value)


@pytest.mark.parametrize("name", [":A", "", ".relative:A"])
def test_what_names_no_module_is_refused(name):
    with pytest.raises(ValueError, match="must be in a module that can be imported"):
        import_module_of(name, owner="test", argument="name")
