"""Origins on a page."""


def test_an_origin_of_another_form_is_left_out():
    from subnetlab.report.provenance import data_origin

    record = {"rows": 5, "columns": "x", "validation_rows": {}, "target": [1], "source": "file"}
    assert data_origin(record) == {}
