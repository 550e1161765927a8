"""Recording, loading and inspecting demonstrations."""
