"""From one file format to another, crystal by crystal."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from recipnet.batch import CrystalBatch
from recipnet.errors import WriteError
from recipnet.io import sources
from recipnet.io.report import ReadReport
from recipnet.io.stream import stream
from recipnet.io.write import write_batches


def convert(
    source: Any,
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    output_format: str | None = None,
    symmetry: bool = True,
    precision: int = 15,
    overwrite: bool = True,
    **options: Any,
) -> ReadReport:
    """Read with `recipnet.stream` and write with `recipnet.write`, in bounded memory.

    Parameters
    ----------
    source, format, **options
        As in `recipnet.stream`. A single file that is no table or archive must be readable; elsewhere failures are
        collected unless ``on_error`` says otherwise.
    path, output_format, symmetry, precision, overwrite
        As in `recipnet.write`.

    Returns
    -------
    ReadReport
        What was read, what failed and what was warned about.

    Raises
    ------
    ReadError
        Nothing to read, or a failure that was not to be collected.
    WriteError
        Nothing could be read, or a crystal that the format cannot hold.
    """
    single = isinstance(source, (str, os.PathLike)) and os.path.isfile(source)
    if single and sources.one(os.fsdecode(source), format).format not in sources.CONTAINERS:
        options.setdefault("on_error", "raise")
    options.setdefault("on_error", "collect")
    reports: list[ReadReport] = []

    def batches() -> Iterator[CrystalBatch]:
        for batch, report in stream(source, format=format, **options):
            reports.append(report)
            if len(batch):
                yield batch
        if not any(report.ok for report in reports):
            failures = [record.message for report in reports for record in report.failures[:1]]
            reason = f"; the first of {sum(r.failed for r in reports)} failures: {failures[0]}" if failures else ""
            raise WriteError(f"{os.fsdecode(path)}: nothing could be read{reason}", path=os.fsdecode(path))

    write_batches(batches(), path, format=output_format, symmetry=symmetry, precision=precision, overwrite=overwrite)
    return ReadReport(
        sum(report.ok for report in reports),
        sum(report.failed for report in reports),
        sum(report.skipped for report in reports),
        [record for report in reports for record in report.failures],
        [record for report in reports for record in report.warnings],
    )
