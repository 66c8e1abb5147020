"""One door to any editor that is measured or makes data: ours, a folder, a command, drawn truth."""
