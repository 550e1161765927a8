"""Running trained policies: bundles, what they need of a station, and trials. Nothing here learns."""
