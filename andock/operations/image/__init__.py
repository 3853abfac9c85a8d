"""Operations on images of Docker engines."""
