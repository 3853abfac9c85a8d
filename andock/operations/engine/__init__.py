"""Operations on Docker engines themselves."""
