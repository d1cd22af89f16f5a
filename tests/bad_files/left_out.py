"""What the list of bad inputs has and the table does not, with the reason."""

REASONS = {
    "H40": "big-endian machines: qtz builds for little-endian ones only",
    "C22": "file systems that fold case: their names reach qtz as any other name",
    "K10": "tekken.json: not read, refused by name as every tokenizer of another kind (K03)",
    "K13": "a matrix of another model whose names and sizes match: nothing in the file tells",
    "K14": "calibration texts: qtz collects no importance",
    "K15": "Hessians: no GPTQ",
    "N08": "a tensor of 2^31 rows takes minutes; tests/unit/pipeline/tiles_test.cpp has the arithmetic",
    "N11": "Hessians: no GPTQ",
    "N12": "activations: no AWQ",
    "N13": "group sizes: no GPTQ or AWQ",
    "N14": "same bytes for all threads and backends: tests/unit/kernels and tests/unit/pipeline",
    "N15": "MXFP4 and NVFP4 sources: not read",
}
