"""A client of the desk for scripts: what people decide, silence and hand over, by the desk's interface."""

from include.desk_client.desk import Desk
from include.desk_client.session import RefusedError, Session
