"""Sessions as a real Django signs them: NAME<tab>COOKIE, a line each. Usage: make_sessions.py SECRET_KEY"""
import sys
from unittest import mock

from django.conf import settings

settings.configure(SECRET_KEY=sys.argv[1], SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
                   INSTALLED_APPS=["django.contrib.sessions"])

import django  # noqa: E402

django.setup()

from django.contrib.sessions.backends.signed_cookies import SessionStore  # noqa: E402


def cookie(line, **values):
    session = SessionStore()
    for key, value in values.items():
        session[key] = value
    session.save()
    print(line, session.session_key, sep="\t")


user = {"_auth_user_id": "42", "_auth_user_backend": "django.contrib.auth.backends.ModelBackend",
        "_auth_user_hash": "0123abcd"}
cookie("plain", **user)
cookie("anonymous", cart=[1, 2, 3])
cookie("unicode", **user, name="마당 ☃ \"quoted\"")
cookie("compressed", **user, text="compress me " * 500)
with mock.patch("time.time", return_value=1_700_000_000):
    cookie("then", **user)
    cookie("then_compressed", **user, text="again " * 100)
    cookie("bomb", text="x" * 70_000)
print("version", django.get_version(), sep="\t")
