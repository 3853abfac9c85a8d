"""Operations on volumes of Docker engines."""
