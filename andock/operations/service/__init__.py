"""Operations on services: what config/services/ describes, on the engines of an environment."""
