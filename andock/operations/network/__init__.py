"""Operations on networks of Docker engines."""
