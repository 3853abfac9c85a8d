"""Everything needed to run Andock without a company's Slack, vCenter, Docker engines or Redis."""
