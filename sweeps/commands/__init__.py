"""The modes of ``openr1-plan``: price a study, propose runs, show how far a study is."""
