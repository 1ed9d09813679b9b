"""Formulas as MathML, which browsers draw by themselves: pages need no script and no network."""

from latex2mathml.converter import convert


def setup(app):
    """Add the renderer."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _inline(writer, node):
    from docutils.nodes import SkipNode

    writer.body.append(convert(node.astext()))
    raise SkipNode


def _block(writer, node):
    from docutils.nodes import SkipNode

    writer.body.append(convert(node.astext(), display="block"))
    raise SkipNode
