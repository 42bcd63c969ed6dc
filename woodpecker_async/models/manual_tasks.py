"""Tasks that somebody is to do by hand."""
