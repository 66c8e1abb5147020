"""A finished data set in the forms that others read, with a card; and whether such a folder is whole."""

from typing import Literal, get_args

Format = Literal["parquet", "webdataset", "triplets", "ffe", "fed", "preferences"]
FORMATS: tuple[Format, ...] = get_args(Format)
