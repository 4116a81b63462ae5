"""The nets that come with Aino: `MANIFEST.toml` describes each `.dit` file and names the default
one.
"""
