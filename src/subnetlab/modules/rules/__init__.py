"""One small rule per operation, in one table."""

from . import arrangement as arrangement
from . import contraction as contraction
from . import convolution as convolution
from . import indexing as indexing
from . import joining as joining
from . import pointwise as pointwise
from . import reduction as reduction
from .table import register_rule as register_rule
from .table import rule_of as rule_of
