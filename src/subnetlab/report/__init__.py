"""The results of a folder as one HTML page that opens offline; altair and vl-convert are loaded when it is written."""

from .write import write_report as write_report
