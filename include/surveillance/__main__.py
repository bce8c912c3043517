from .cli import app

app(prog_name="python -m include.surveillance")
