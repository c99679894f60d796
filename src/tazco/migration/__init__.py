"""Moving in and out: a whole programme as files of JSON lines, checked before anything is written, proved afterwards."""
