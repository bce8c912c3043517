from include.surveillance.cli import app

app(prog_name="python -m include.surveillance")
