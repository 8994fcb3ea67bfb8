"""Curation of generated samples into training data: an ordered list of named steps, and a card of the effect of each.

A config's steps are checked by :func:`openr1.curation.options.steps_of`, which imports nothing heavy. At run time::

    table = read_samples(paths, folder)                  # openr1.curation.table
    curated = curate(table, steps, verifier=verifier)    # openr1.curation.pipeline
    write_examples(curated.rows, folder / "data.parquet")
    (folder / "card.md").write_text(curated.card.markdown())
"""
