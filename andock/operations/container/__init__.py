"""Operations on containers of Docker engines."""
