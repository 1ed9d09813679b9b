"""scikit-learn shells around `subnetlab.training`: scaling in and out, when to stop, what to predict."""

from .classifier import SubnetClassifier
from .regressor import SubnetRegressor

__all__ = ["SubnetClassifier", "SubnetRegressor"]
