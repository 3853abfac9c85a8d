"""Operations on the alarms of vCenters."""
