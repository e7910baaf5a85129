"""What the web page costs a reader, in the system's Chromium, held against the figures that it is to reach."""
