"""Tables from the papers, marked as such."""

from pixelsmile.benchmarks.published.tables import (
    PublishedRow,
    PublishedTable,
    ScoringLabel,
    TableName,
    published_table,
    scoring_labels,
)

__all__ = ["PublishedRow", "PublishedTable", "ScoringLabel", "TableName", "published_table", "scoring_labels"]
