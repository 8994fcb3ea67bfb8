"""The modes of ``openr1-plan``: price a study, propose its next runs, show its status, check what it made."""
