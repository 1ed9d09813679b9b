"""Communities and Crime: every harmless difference is taken, every harmful one is refused by name."""

import csv
import io
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from subnetlab.datasets.crime.columns import COLUMNS, PREDICTIVE
from subnetlab.datasets.crime.content import parse_crime


def zipped(content, member="communities.data"):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Index", "nothing")
        archive.writestr(member, content)
    return file.getvalue()


def other_numbers(text):
    """Write the same numbers in other ways."""
    return text.replace(",0.5,", ",0.50,").replace(",0.25,", ",.25,").replace(",1,", ",1.0,").replace(",0,", ",0e0,")


HARMLESS = {
    "as UCI serves it": lambda t: t.text(),
    "CRLF": lambda t: t.text(line_end="\r\n"),
    "CR": lambda t: t.text(line_end="\r"),
    "CR CR LF": lambda t: t.text(line_end="\r\r\n"),
    "NA": lambda t: t.text(missing="NA"),
    "empty": lambda t: t.text(missing=""),
    "nan": lambda t: t.text(missing="NaN"),
    "all quoted": lambda t: t.text(quoting=csv.QUOTE_ALL),
    "text quoted": lambda t: t.text(quoting=csv.QUOTE_NONNUMERIC),
    "no last line end": lambda t: t.text(last_line_end=False),
    "blank lines": lambda t: "\n\n" + t.text() + "\n \n\r\n\n",
    "spaces": lambda t: t.text().replace(",", " , "),
    "header": lambda t: t.text(header=list(COLUMNS)),
    "header of R": lambda t: t.text(header=[f"{name.upper()} string" for name in COLUMNS], quoting=csv.QUOTE_ALL),
    "other numbers": lambda t: other_numbers(t.text()),
    "byte order mark": lambda t: "\ufeff" + t.text(),
}


@pytest.mark.parametrize("variant", HARMLESS)
def test_harmless_differences_change_nothing(accepted, variant):
    table = parse_crime(HARMLESS[variant](accepted).encode(), "file")
    assert table.sha256 == accepted.sha256
    assert table.text.encode() == accepted.content
    np.testing.assert_array_equal(table.target, accepted.column("ViolentCrimesPerPop"))
    for name in ("population", "OtherPerCap", "PolicBudgPerPop"):
        np.testing.assert_array_equal(table.features[:, PREDICTIVE.index(name)], accepted.column(name))


@settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    missing=st.sampled_from(["?", "NA", "", "nan", "N/A", "null"]),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    last_line_end=st.booleans(),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    header=st.sampled_from([None, list(COLUMNS)]),
    compress=st.booleans(),
)
def test_harmless_differences_together(accepted, compress, **form):
    content = accepted.text(**form).encode()
    assert parse_crime(zipped(content) if compress else content, "file").text.encode() == accepted.content


def replaced(text, i, j, cell):
    """Put ``cell`` into line i, column j."""
    lines = text.split("\n")
    cells = lines[i].split(",")
    cells[j] = cell
    lines[i] = ",".join(cells)
    return "\n".join(lines)


def other_value(text):
    old = text.split("\n")[7].split(",")[50]
    return replaced(text, 7, 50, "0.3" if old != "0.3" else "0.4")


def swapped_rows(text):
    lines = text.split("\n")
    lines[3], lines[4] = lines[4], lines[3]
    return "\n".join(lines)


HARMFUL = {
    "cut within a line": (lambda s: s[:500_000], r"every line must have 128 values .* got \d+ in line \d+"),
    "cut at a line": (lambda s: "".join(s.splitlines(True)[:1000]), "must have 1994 rows, got 1000"),
    "one row twice": (lambda s: s + s.splitlines(True)[-1], "must have 1994 rows, got 1995"),
    "row labels": (lambda s: "".join(f"{i},{r}" for i, r in enumerate(s.splitlines(True))), "got 129 in line 1"),
    "text": (lambda s: replaced(s, 9, 60, "abc"), r"'PctImmigRec10' .* got 'abc' in line 10"),
    "too large": (lambda s: replaced(s, 9, 60, "1.5"), r"numbers in \[0, 1\], got '1.5' in line 10"),
    "negative": (lambda s: replaced(s, 9, 127, "-0.1"), "'ViolentCrimesPerPop' .* got '-0.1'"),
    "infinite": (lambda s: replaced(s, 9, 60, "inf"), "got 'inf' in line 10"),
    "underscore": (lambda s: replaced(s, 9, 60, "0_0"), "got '0_0' in line 10"),
    "a value lost": (lambda s: replaced(s, 9, 60, "?"), "'PctImmigRec10' must lack 0 values, got 1 missing"),
    "fraction of a fold": (lambda s: replaced(s, 9, 4, "1.5"), "'fold' must hold whole numbers"),
    "state 77": (lambda s: replaced(s, 9, 0, "77"), r"'state' must hold numbers in \[1, 56\]"),
    "another value": (other_value, "values, names or the order of rows differ .* must hash to"),
    "another name": (lambda s: replaced(s, 9, 3, "Elsewhere"), "must hash to"),
    "rows swapped": (swapped_rows, "must hash to"),
    "columns swapped": (lambda s: replaced(replaced(s, 0, 6, "0.01"), 0, 7, "0.02"), "must hash to"),
    "semicolons": (lambda s: s.replace(",", ";"), "128 values between commas, got 1 in line 1"),
    "a web page": (lambda s: "<!DOCTYPE html>\n<html>not found</html>", "got 1 in line 1"),
    "nothing": (lambda s: "", "must have 1994 rows, got 0"),
    "open quote": (lambda s: '"' + s, r"delimited table, got|between commas"),
    "strange header": (
        lambda s: ",".join(["V1", *COLUMNS[1:]]) + "\n" + s,
        "header must name the column 'state', got 'V1'",
    ),
    "too long": (lambda s: s + "\n" * 2**24, "at most 16777216 bytes"),
}


@pytest.mark.parametrize("damage", HARMFUL)
def test_harmful_differences_are_named(accepted, damage):
    change, message = HARMFUL[damage]
    with pytest.raises(ValueError, match=rf"^/a/file: .*{message}"):
        parse_crime(change(accepted.content.decode()).encode(), "/a/file")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe1\x002\x00", "must be text in UTF-8, got byte 0"),
        (b"PK\x03\x04 half an archive", "must be a whole zip archive"),
        (zipped("1,2", member="communities.names"), "archive must hold communities.data"),
        (zipped(b"\n" * (2**24 + 1)), "at most 16777216 bytes"),
    ],
)
def test_other_files_are_refused(content, message):
    with pytest.raises(ValueError, match=message):
        parse_crime(content, "file")


def test_a_lookalike_is_not_the_data(lookalike):
    with pytest.raises(ValueError, match=f"got {lookalike.sha256}"):
        parse_crime(lookalike.content, "file")
