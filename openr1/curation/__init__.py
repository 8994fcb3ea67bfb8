"""From generated samples to training data: an ordered list of named steps, and a card that says what each of them did.

A config's steps are checked by :func:`openr1.curation.options.steps_of`, which imports nothing heavy. At run time::

    table = read(paths, folder)                          # openr1.curation.table
    curated = curate(table, steps, verifier=verifier)    # openr1.curation.pipeline
    write(curated.rows, folder / "data.parquet")
    (folder / "card.md").write_text(curated.card.markdown())
"""
