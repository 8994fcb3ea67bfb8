"""``openr1-reproduce``: runs, recipes and studies that were finished, rerun and compared figure by figure.

``origins`` find what was named, ``rerun`` makes it again in a store of its own, ``differences`` and ``comparison`` say what
differs, ``bundle`` carries it to another machine.
"""
