"""What a run does. One module a stage, all of one contract: ``run(job) -> metrics`` fills ``job.folder``.

A stage is found by its kind: ``stage=pretrain`` runs :func:`openr1.stages.pretrain.run`. To add one, write the module, its
dataclass in :data:`openr1.config.schema.STAGES` and its file in ``conf/stage``.
"""
