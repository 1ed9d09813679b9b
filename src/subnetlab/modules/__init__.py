"""Any PyTorch network: its units found on the exported graph, its subnetworks as ordinary smaller modules."""

from .cutting import Cut as Cut
from .cutting import cut as cut
from .engines import Subnetwork as Subnetwork
from .errors import CutError as CutError
from .errors import VerificationError as VerificationError
from .rules import register_rule as register_rule
