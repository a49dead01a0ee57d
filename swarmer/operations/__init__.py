"""Operations on a running cluster, for every provider of machines."""
