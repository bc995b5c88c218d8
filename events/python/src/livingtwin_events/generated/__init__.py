"""What tools/generate.py makes of the JSON Schemas in events/schemas."""
