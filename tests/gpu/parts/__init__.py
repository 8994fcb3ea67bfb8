"""Parts of the check on a GPU, one a module: ``run(setting, figures)`` measures and adds its figures."""
