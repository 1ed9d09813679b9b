"""Docstrings as they are written here, with plain formulas in them, made ready for reStructuredText."""

import re


def setup(app):
    """Prepare docstrings before napoleon reads their sections."""
    app.connect("autodoc-process-docstring", prepare, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def prepare(app, what, name, obj, options, lines):
    """Show indented formulas as they stand, and take |x| for bars and no substitution."""
    end = next((i for i, line in enumerate(lines) if re.fullmatch(r"-{3,}", line.strip())), len(lines))
    ready, in_formula, in_example = [], False, False
    for i, line in enumerate(lines):
        indented = i < end and line.startswith("    ")
        if indented and not in_formula and not lines[i - 1].strip():
            ready += ["::", ""]
            in_formula = True
        elif line.strip() and not indented:
            in_formula = False
        in_example = line.lstrip().startswith(">>>") or (in_example and bool(line.strip()))
        ready.append(line if in_formula or in_example else _escaped(line))
    lines[:] = ready


def _escaped(line):
    parts = re.split(r"(`+[^`]*`+)", line)
    return "".join(part if part.startswith("`") else part.replace("|", "\\|") for part in parts)
