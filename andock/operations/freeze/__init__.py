"""Operations on freezes: windows of time in which changes are refused."""
