"""`andock doctor`: looks at everything that Andock needs, says what is wrong and how to mend it.

It holds every credential of the installation at once, as no process does: an operator runs it on the host.
"""

from workers.doctor.examination import examine
from workers.doctor.findings import Finding, Level, print_findings

__all__ = ["Finding", "Level", "examine", "print_findings"]
