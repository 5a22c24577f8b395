"""The routes of the API, one file per resource: parse, authorise, call one verb, render."""
