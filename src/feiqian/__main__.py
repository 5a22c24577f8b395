"""`python -m feiqian` is the command line."""

from feiqian.cli import main

main(prog_name="feiqian")
