"""How gunicorn serves: https://gunicorn.org/reference/settings/.

It reads this file where it is started: ``gunicorn --paste production.ini``.
"""

import os

# Where the proxy finds the service. If the proxy is on another host: the address of this one in
# their network, such as 10.0.0.11:8000, behind a firewall that lets the proxies alone through.
bind = os.environ.get("MUSHROOMS_BIND", "127.0.0.1:8000")

# Processes: about as many as processors. Threads: the requests that a process serves at once.
worker_class = "gthread"
workers = 2
threads = 8

# A process that does not answer for that long is killed.
timeout = 60
# After SIGTERM or SIGHUP, the time that requests under way have to finish.
graceful_timeout = 30

# The addresses of the proxies, with commas in between, whose `X-Forwarded-Proto` is believed.
# Anybody else could write it too. With the address of this host alone, a proxy on another host is
# not believed, and the URLs that the service writes begin with http.
forwarded_allow_ips = os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1")

# Filters and pagination tokens make long URLs; the default is 4094 bytes.
limit_request_line = 8190

# Commands to the running server, which nobody needs here (gunicorn 25 and later).
control_socket_disable = True

# The lines of gunicorn have the form of all others: one JSON object each, on standard output.
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "cliquet.logs.JSONFormatter"}},
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "stream": "ext://sys.stdout",
            "formatter": "json",
        },
    },
    "root": {"level": "INFO", "handlers": ["console"]},
    "loggers": {
        "gunicorn.error": {"level": "INFO", "propagate": True},
        # The entry request.summary says the same of each request, and not the user's name.
        "gunicorn.access": {"level": "WARNING", "propagate": True},
    },
}
