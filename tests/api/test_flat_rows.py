"""Flat rows as files, read back with another library than the one that wrote them."""

import io

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
from inference_builders import day

from api.flat_rows import FILES, as_arrow, as_csv, as_parquet

ROWS = [
    {"time": day(0), "service": "=1+1", "value": 0.5, "caveats": ["small_n"]},
    {"time": None, "service": "a,b", "value": 1, "n": 3},
]


def test_csv_defuses_formulas_and_keeps_the_columns() -> None:
    text = as_csv(ROWS)
    assert text.splitlines()[0] == "time,service,value,caveats,n"
    assert text.splitlines()[1] == '2026-03-02T12:00:00Z,\'=1+1,0.5,"[""small_n""]",'
    assert text.splitlines()[2] == ',"a,b",1,,3'
    assert as_csv([]) == "\r\n"


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_a_columnar_file_keeps_types_names_and_nulls(form: str) -> None:
    written = FILES[form].write(ROWS)
    assert isinstance(written, bytes)
    read = pyarrow.parquet.read_table if form == "parquet" else pyarrow.feather.read_table
    table = read(io.BytesIO(written))
    assert table.column_names == ["time", "service", "value", "caveats", "n"]
    assert table.schema.field("time").type == pa.timestamp("us", "UTC")
    assert table.schema.field("value").type == pa.float64()
    assert table.to_pylist() == [
        {"time": day(0), "service": "=1+1", "value": 0.5, "caveats": '["small_n"]', "n": None},
        {"time": None, "service": "a,b", "value": 1.0, "caveats": None, "n": 3},
    ]


def test_no_row_at_all_is_a_file_too() -> None:
    assert pyarrow.parquet.read_table(io.BytesIO(as_parquet([]))).num_rows == 0
    assert pyarrow.feather.read_table(io.BytesIO(as_arrow([]))).num_rows == 0
