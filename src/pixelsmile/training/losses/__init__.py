"""The training objective of the paper, term by term: equations 6 to 12, and their sum in `objective`."""
