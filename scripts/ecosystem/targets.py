"""What is run: the grouped test targets, the extras, and the programs. Data, and nothing else."""

from typing import Dict, List, NamedTuple, Tuple


class Target(NamedTuple):
    """Test files that belong to one promise of the contract."""

    name: str
    patterns: Tuple[str, ...]
    """Below ``pybind/tests``. A file belongs to the first target that names it."""


# Each has the file that was re-created from the original, and our own about the same thing.
TARGETS: List[Target] = [
    Target("streaming", ("original/test_streaming_v05.py", "test_stream*.py", "test_runtime_contract.py")),
    Target("arrow ingestion", ("original/test_arrow_stream_ingestion.py", "test_arrow*.py")),
    Target("vector", ("original/test_vector_search.py", "test_vector*.py", "test_keyword*.py")),
    Target("excel", ("original/test_read_excel.py", "test_excel*.py")),
    Target("custom stream", ("original/test_custom_stream_source.py", "test_custom*.py")),
    Target("bitable group-by-owner", ("original/test_bitable_group_by_owner_integration.py", "test_bitable_group*.py")),
    Target("bitable source", ("original/test_bitable_stream_source.py", "test_bitable*.py")),
    Target("workspace", ("original/test_workspace_runs.py", "test_workspace*.py")),
    Target("cli contract", ("original/test_python_cli_contract.py", "test_python_cli*.py", "test_cli*.py")),
    Target("artifact index", ("original/test_artifact_index.py", "test_artifact*.py")),
    Target("source materialization", ("original/test_source_materialization.py", "test_materialization*.py")),
    # The last one: whatever no other target names, so that a new file is never forgotten.
    Target("package", ("original/test_*.py", "test_*.py")),
]

# The cases that were re-created from the original's files. A file that cannot be imported has none.
ORIGINAL_CASES = 35

# The extras of the wheel; what each promises stands in pybind/tests/extras.py.
EXTRAS = ("arrow", "pandas", "polars", "notebook", "all")

# Programs beside `pybind/examples/*.py`, with what makes them short.
BENCHMARKS: Dict[str, Tuple[str, ...]] = {
    "bench_arrow_ingestion.py": ("--batches", "2", "--rows", "512", "--rounds", "1"),
}

# Programs that need a service: a variable of the environment that says where it is, and who runs them without it.
NEEDS_SERVICE: Dict[str, Tuple[str, str]] = {
    "demo_bitable_group_by_owner.py": ("FEISHU_BITABLE_BASE_URL", "test_bitable.py runs it against a stand-in"),
}
