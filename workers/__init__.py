"""vSphere and Docker out: RQ workers, and the keeper's courier and janitor."""
