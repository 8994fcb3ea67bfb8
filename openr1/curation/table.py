"""Tables of generated samples, and tables of examples to train on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from openr1.data.answers import answer_schema
from openr1.system.errors import ConfigError
from openr1.system.files import replacing

if TYPE_CHECKING:
    import datasets
    import pyarrow as pa

FORMS = ("text", "messages")
BATCH = 1000  # rows


def read_samples(paths: Sequence[Path], folder: Path, key: str = "stage.inputs") -> datasets.Dataset:
    """Read Parquet files as one memory-mapped table, with rows in the order of the files.

    Files may lack different columns, and may differ in the type of columns that are null throughout. Columns beyond
    :func:`openr1.data.answers.answer_schema` are kept.

    :param folder: folder to write the table to, as an Arrow file.
    :param key: where the files stand in the config, for messages.
    :raises ConfigError: for a file that is not Parquet, has no column ``problem_id``, or a column of another type.
    """
    import datasets
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schemas = [pq.read_schema(path).remove_metadata() for path in paths]
        merged = pa.unify_schemas(schemas, promote_options="permissive")
        known = {field.name: field for field in answer_schema()}
        merged = pa.schema([known.get(field.name, field) for field in merged])
        if "problem_id" not in merged.names:
            raise ConfigError(f"{key}: {paths[0]} has no column problem_id; it has {', '.join(merged.names)}")
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / "rows.arrow"
        with (
            replacing(target) as temporary,
            pa.OSFile(str(temporary), "wb") as file,
            pa.ipc.new_stream(file, merged) as writer,
        ):
            for path in paths:
                for batch in pq.ParquetFile(path).iter_batches(BATCH):
                    writer.write_batch(_cast(batch, merged))
    except pa.ArrowInvalid as error:
        files = ", ".join(map(str, paths))
        raise ConfigError(f"{key}: {files} cannot be read as one table: {str(error).splitlines()[0]}") from error
    return datasets.Dataset.from_file(str(target))


def _cast(batch: pa.RecordBatch, target: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    columns = [
        batch.column(field.name).cast(field.type) if field.name in batch.schema.names else pa.nulls(len(batch), field.type)
        for field in target
    ]
    return pa.RecordBatch.from_arrays(columns, schema=target)


def write_examples(
    rows: datasets.Dataset,
    path: Path,
    form: str = "text",
    system: str | None = None,
    columns: Iterable[str] = ("problem_id", "task"),
) -> int:
    """Write examples to train on as Parquet, whole or not at all.

    :param form: ``text``: ``prompt`` and ``completion`` are texts. ``messages``: they are lists of chat messages, ``{"role",
        "content"}``, for a chat template. TRL takes both, with the loss on the completion.
    :param system: the system turn at the beginning of every prompt; for ``messages`` only.
    :param columns: further columns to write, if the rows have them.
    :return: the number of rows.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if form not in FORMS:
        raise ValueError(f"form: {form!r} is not one of {', '.join(FORMS)}")
    if system is not None and form == "text":
        raise ValueError("system: only form=messages has a system turn")
    message = pa.list_(pa.struct({"role": pa.string(), "content": pa.string()}))
    kind = pa.string() if form == "text" else message
    further = [name for name in columns if name in rows.column_names]
    kinds = [rows.features.arrow_schema.field(name).type for name in further]
    target = pa.schema([("prompt", kind), ("completion", kind), *zip(further, kinds, strict=True)])
    opening = [{"role": "system", "content": system}] if system is not None else []
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary, pq.ParquetWriter(temporary, target, compression="zstd") as writer:
        for batch in rows.select_columns(["prompt", "completion", *further]).with_format("arrow").iter(BATCH):
            arrays = {name: batch.column(name) for name in batch.column_names}
            if form == "messages":
                prompts, completions = (arrays[name].to_pylist() for name in ("prompt", "completion"))
                arrays["prompt"] = pa.array([[*opening, _turn("user", text)] for text in prompts], message)
                arrays["completion"] = pa.array([[_turn("assistant", text)] for text in completions], message)
            writer.write_table(pa.table([arrays[name] for name in target.names], schema=target))
    return len(rows)


def _turn(role: str, text: str) -> dict[str, str]:
    return {"role": role, "content": text}
