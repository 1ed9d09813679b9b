"""Communities and Crime, UCI Machine Learning Repository, data set 183: the data of Section 5."""
