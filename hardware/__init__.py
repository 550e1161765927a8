"""Drivers of real and fake devices."""
