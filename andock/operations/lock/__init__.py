"""Operations on locks: one person keeps others' changes off a target or an environment."""
