"""A finished data set in the forms that others read, with a card; and whether such a folder is whole."""

FORMATS = ("parquet", "webdataset", "triplets", "ffe", "fed", "preferences")
