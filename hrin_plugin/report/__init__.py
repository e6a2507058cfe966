"""Results of detection come in; totals, tables, a web page and pictures go out."""
