"""What the list of bad inputs has and the table does not, with the reason."""

REASONS = {
    "H40": "big-endian machines: qtz builds for little-endian ones only",
    "C22": "file systems that fold case: their names reach qtz as any other name",
}
