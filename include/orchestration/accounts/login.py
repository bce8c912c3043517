"""How people sign in: the file of settings that Airflow's auth manager (Flask-AppBuilder) reads.

Users are local unless variable LOGIN_SETTINGS says otherwise: a JSON object of Flask-AppBuilder's own settings, such as
``{"AUTH_TYPE": "ldap", "AUTH_LDAP_SERVER": "ldaps://ldap.example.com"}``.
"""

from include.orchestration.accounts.login_settings import read_login_settings
from include.orchestration.accounts.roles import SecurityManager

SECURITY_MANAGER_CLASS = SecurityManager
# Every form of the sign-in and of the users' pages carries a token of its own.
WTF_CSRF_ENABLED = True
FAB_PASSWORD_COMPLEXITY_ENABLED = True
# One api-server counts the tries of a sign-in by itself.
RATELIMIT_STORAGE_URI = "memory://"
# A directory's groups decide anew at each sign-in.
AUTH_ROLES_SYNC_AT_LOGIN = True

globals().update(read_login_settings())
