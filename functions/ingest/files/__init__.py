"""Files in the vendor's responses, and their formats. Pure: no I/O."""
