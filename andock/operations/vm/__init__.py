"""Operations on virtual machines."""
