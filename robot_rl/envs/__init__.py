"""The one environment, and what every environment of the house promises."""
