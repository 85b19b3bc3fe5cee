"""From the files of public datasets to series frames; a module per field. Raises DataError for a file of other form."""
