"""All studies of an outputs folder: listed, renamed, archived, deleted, exported and imported."""
